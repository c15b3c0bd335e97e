"""What a cluster answers, or does not, in sentences; its API server is a fake that says what it is given."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from support.errors import DeploymentError, SpecsError, Unavailable
from support.kubernetes_target.cluster import Cluster
from support.kubernetes_target.pods import hopeless, waits_for
from support.kubernetes_target.run import ClusterRun
from support.settings import Settings
from tests.serving import Exchange, HttpServer

CUT_OFF = "cut off"
"""Among the events of a watch: there its connection ends."""


class FakeApiServer(HttpServer):
    """Answers "METHOD path" by status and body; a list is a stream of watch events. What is not there is a 404."""

    def __init__(self, answers: dict[str, tuple[int, Any]]) -> None:
        super().__init__()
        self._answers = answers
        self.asked: list[str] = []
        """What it was asked, in order: "WATCH path"."""

    async def answer(self, exchange: Exchange) -> None:
        path, _, query = exchange.target.partition("?")
        verb = "WATCH" if "watch=true" in query.lower() else exchange.method
        question = f"{verb} {path}"
        self.asked.append(question)
        status, body = self.said(question) or (404, {"message": f"{path} not found"})
        await exchange.start(status, "application/json")
        for event in body if isinstance(body, list) else [body]:
            if event is CUT_OFF:
                raise ConnectionResetError
            await exchange.say(json.dumps(event).encode() + b"\n")
        await exchange.end()

    def said(self, asked: str) -> tuple[int, Any] | None:
        return self._answers.get(asked)


def refused(message: str) -> tuple[int, Any]:
    return 403, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": 403}


@contextmanager
def cluster(answers: dict[str, tuple[int, Any]], folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    with FakeApiServer(answers) as url:
        configure(folder, url, monkeypatch)
        yield Cluster()


def configure(folder: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    described = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "mine",
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "mine", "context": {"cluster": "c", "user": "u"}}],
    }
    file = folder / "config"
    file.write_text(json.dumps(described))
    monkeypatch.setenv("KUBECONFIG", str(file))
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(file))


def pod(name: str, *, running: bool = False, reason: str | None = None, version: str = "2") -> dict[str, Any]:
    state = {"running": {}} if running else {"waiting": {"reason": reason or "ContainerCreating"}}
    container = {"name": "main", "image": "i:1", "imageID": "", "ready": False, "restartCount": 0, "state": state}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "resourceVersion": version},
        "spec": {"containers": [], "nodeName": "node-1"},
        "status": {"podIP": "10.0.0.1", "phase": "Pending", "containerStatuses": [container]},
    }


def pods(*there: dict[str, Any]) -> tuple[int, Any]:
    return 200, {"apiVersion": "v1", "kind": "PodList", "metadata": {"resourceVersion": "1"}, "items": list(there)}


def one_sentence(error: SpecsError) -> str:
    assert "\n" not in str(error)
    return str(error)


@pytest.mark.parametrize(
    ("context", "text", "said"),
    [
        (None, "{}", "no Kubernetes context  can"),
        ("other", "{}", "context other can"),
        ("other", "clusters: [\nusers:", "can be used (while parsing"),
        ("other", "\0", "can be used (unacceptable character"),
    ],
)
def test_no_context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, context: str | None, text: str, said: str) -> None:
    (tmp_path / "config").write_text(text)
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "config"))
    with pytest.raises(Unavailable, match=r"set KUBECONFIG to a file that has one, and -D context") as told:
        Cluster(context)
    assert said in one_sentence(told.value)


def test_nobody_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(tmp_path, "http://127.0.0.1:1", monkeypatch)
    with pytest.raises(DeploymentError, match=r"of the context mine does not answer at http://127\.0\.0\.1:1") as told:
        Cluster().version()
    one_sentence(told.value)


def test_a_right_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    message = (
        'namespaces is forbidden: User "joe" cannot create resource "namespaces" in API group "" at the cluster scope'
    )
    with (
        cluster({"POST /api/v1/namespaces": refused(message)}, tmp_path, monkeypatch) as asked,
        pytest.raises(DeploymentError) as told,
    ):
        ClusterRun(asked, prefix="ours", image="i:1")
    assert one_sentence(told.value) == (
        "the context mine may not create namespaces at the cluster scope: "
        "give joe that right, or choose another with -D context"
    )


def test_a_cluster_that_vanishes_is_told_with_what_becomes_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(tmp_path, "http://127.0.0.1:1", monkeypatch)
    monkeypatch.setattr(Cluster, "make", lambda asked, manifest: manifest)
    monkeypatch.setattr(ClusterRun, "_awaited_reaper", lambda run: None)
    monkeypatch.setattr(ClusterRun, "_usable", lambda run, reaper: ["1.4.2"])
    run = ClusterRun(Cluster(), prefix="ours", image="i:1")
    with pytest.raises(DeploymentError, match=rf"does not answer at .*; the namespaces of {run.name} could") as told:
        run.close()
    assert one_sentence(told.value).endswith("when the lease of the run is over, 60 s after the cluster is back")


def test_another_refusal_is_told_as_it_was_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        cluster({"GET /api/v1/nodes": refused("nodes are closed today")}, tmp_path, monkeypatch) as asked,
        pytest.raises(DeploymentError, match=r"^the cluster of the context mine refuses: nodes are closed today$"),
    ):
        asked.nodes()


def test_the_clusters_own_namespaces_are_not_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with cluster({}, tmp_path, monkeypatch) as asked, pytest.raises(Unavailable, match="kube-system is the cluster's"):
        ClusterRun(asked, prefix="kube-system", image="i:1")


def test_what_is_not_there_is_none_and_deleted_already(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with cluster({}, tmp_path, monkeypatch) as asked:
        assert asked.pod("ns", "gone") is None
        asked.delete_namespace("gone", grace=1)


def test_an_image_that_cannot_be_had_is_told_with_its_node() -> None:
    status = SimpleNamespace(image="i:1", state=SimpleNamespace(waiting=SimpleNamespace(reason="ImagePullBackOff")))
    one = SimpleNamespace(
        spec=SimpleNamespace(node_name="node-1"),
        status=SimpleNamespace(
            init_container_statuses=None, container_statuses=[status], conditions=[], phase="Pending"
        ),
    )
    assert hopeless(one) == "its image i:1 cannot be had on node-1 (ImagePullBackOff)"
    status.state.waiting.reason = "ContainerCreating"
    assert hopeless(one) is None
    assert waits_for(one) == "its container is ContainerCreating"


def test_a_pod_that_no_node_takes_says_why() -> None:
    condition = SimpleNamespace(type="PodScheduled", status="False", message="0/2 nodes are available")
    one = SimpleNamespace(status=SimpleNamespace(conditions=[condition], container_statuses=None, phase="Pending"))
    assert waits_for(one) == "no node takes it: 0/2 nodes are available"


def test_the_prefix_leaves_room_for_the_rest_of_a_name() -> None:
    longest = Settings.read({"namespace": "a" * 40}).namespace
    assert re.fullmatch(r"[a-z0-9-]{1,63}", f"{longest}-{'0' * 8}-{'9' * 5}")
