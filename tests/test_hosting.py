"""What a cluster is asked to do with pods and nodes; its API server is a fake that says what it is given."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from injector.labels import ROLE
from support.errors import DeploymentError, FaultError, Unavailable
from support.kubernetes_target.cluster import Cluster
from support.kubernetes_target.hosting import Commands, Hosting
from support.kubernetes_target.labels import MAY_BE_LOST
from support.kubernetes_target.manifests import Home, budget
from support.kubernetes_target.pods import event_line, ready
from tests.test_kubernetes_cluster import FakeApiServer, configure, one_sentence, refused

HOME = Home("ns", "run", "i:1")
EVICTION = "POST /api/v1/namespaces/ns/pods/worker-0/eviction"
OK = 201, {"apiVersion": "v1", "kind": "Status", "status": "Success"}
NO_BUDGET = 429, {"message": "Cannot evict pod as it would violate the pod's disruption budget."}


@pytest.fixture
def answers() -> dict[str, tuple[int, Any]]:
    """What the API server answers: to be changed."""
    return {}


@pytest.fixture
def cluster(answers: dict[str, tuple[int, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    with FakeApiServer(answers) as url:
        configure(tmp_path, url, monkeypatch)
        yield Cluster()


def hosting(cluster: Cluster, *, direct: bool = True, **commands: str) -> Hosting:
    return Hosting(cluster, HOME, Commands(**commands), direct=lambda: direct)


def test_an_eviction_is_granted_or_a_budget_forbids_it(cluster: Cluster, answers: dict[str, tuple[int, Any]]) -> None:
    answers[EVICTION] = NO_BUDGET
    assert hosting(cluster).evict("worker-0") == NO_BUDGET[1]["message"]
    answers[EVICTION] = OK
    assert hosting(cluster).evict("worker-0") is None


def test_an_eviction_that_is_refused_otherwise_is_an_error(
    cluster: Cluster, answers: dict[str, tuple[int, Any]]
) -> None:
    answers[EVICTION] = refused("evictions are closed today")
    with pytest.raises(DeploymentError, match="refuses: evictions are closed today") as told:
        hosting(cluster).evict("worker-0")
    one_sentence(told.value)


NOT_LABELLED = f"n is not labelled {MAY_BE_LOST}=true, by which its owner would allow it"
CLOSED = "n is closed already, by somebody who may not want it open"


@pytest.mark.parametrize(
    ("labels", "spec", "why_not"),
    [
        ({MAY_BE_LOST: "true"}, {}, None),
        ({MAY_BE_LOST: "true"}, {"unschedulable": True}, CLOSED),
        ({MAY_BE_LOST: "no"}, {}, NOT_LABELLED),
        (None, {}, NOT_LABELLED),
    ],
)
def test_a_node_is_lost_only_where_its_owner_says_so_and_it_is_open(
    cluster: Cluster, answers: dict[str, tuple[int, Any]], labels: Any, spec: Any, why_not: str | None
) -> None:
    node = {"kind": "Node", "metadata": {"name": "n", "labels": labels}, "spec": spec}
    answers["GET /api/v1/nodes/n"] = 200, node
    assert hosting(cluster).must_not_lose("n") == why_not


def test_a_command_of_the_users_gets_the_node(cluster: Cluster, tmp_path: Path) -> None:
    hosting(cluster, lose_node=f"echo ${{NODE#node-}} > {tmp_path}/lost").lose_node("node-1")
    assert (tmp_path / "lost").read_text() == "1\n"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("echo no; echo such node >&2; exit 3", "it ended with 3: such node"),
        ("false", "it ended with 1: it said nothing"),
    ],
)
def test_a_command_that_fails_is_told(cluster: Cluster, command: str, said: str) -> None:
    with pytest.raises(FaultError, match=f"^-D lose_api: {said}$"):
        hosting(cluster, lose_api=command).lose_api()


def test_a_command_that_nobody_gave_is_asked_for(cluster: Cluster) -> None:
    with pytest.raises(Unavailable, match=r"^nobody has said how: give -D return_node=COMMAND$"):
        hosting(cluster, lose_node="true").insist_on_command("lose_node", "return_node")


def test_who_is_reached_by_way_of_the_api_server_cannot_do_without(cluster: Cluster) -> None:
    hosting(cluster).insist_on_direct_reach()
    with pytest.raises(Unavailable, match="by way of its API server: without it nobody can ask"):
        hosting(cluster, direct=False).insist_on_direct_reach()


def test_an_api_server_answers_or_does_not(
    cluster: Cluster, answers: dict[str, tuple[int, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = (
        "major",
        "minor",
        "gitVersion",
        "gitCommit",
        "gitTreeState",
        "buildDate",
        "goVersion",
        "compiler",
        "platform",
    )
    answers["GET /version/"] = 200, dict.fromkeys(parts, "1")
    assert hosting(cluster).api_answers(within=5)
    configure(tmp_path, "http://127.0.0.1:1", monkeypatch)
    assert not hosting(Cluster()).api_answers(within=5)


def test_a_budget_is_of_one_role() -> None:
    spec = budget(HOME, "worker", 1)["spec"]
    assert spec["minAvailable"] == 1
    assert spec["selector"]["matchLabels"][ROLE] == "worker"


@pytest.mark.parametrize(("condition", "is_ready"), [("True", True), ("Unknown", False)])
def test_no_pod_of_a_lost_node_is_ready_whatever_its_container_said_last(condition: str, is_ready: bool) -> None:
    status = SimpleNamespace(name="main", state=SimpleNamespace(running=True), ready=True)
    one = SimpleNamespace(
        metadata=SimpleNamespace(deletion_timestamp=None),
        status=SimpleNamespace(
            pod_ip="10.0.0.1",
            container_statuses=[status],
            conditions=[SimpleNamespace(type="Ready", status=condition)],
        ),
    )
    assert ready(one) is is_ready


def test_events_are_lines() -> None:
    event = SimpleNamespace(
        type="Warning",
        reason="Failed",
        message="no such image",
        count=3,
        last_timestamp=datetime(2026, 11, 24, 23, 5, 6, tzinfo=UTC),
        involved_object=SimpleNamespace(name="worker-0"),
    )
    assert event_line(event) == "23:05:06 Warning worker-0: Failed: no such image (3 times)\n"
