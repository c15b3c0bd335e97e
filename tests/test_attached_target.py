"""Which deployments a run may be attached to, and that two runs never are to one."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from support.attached_target import target as attached
from support.attached_target.target import AttachedTarget
from support.cli.specifications import run
from support.errors import Unavailable, UsageError
from support.kubernetes_target.lease import Lease
from support.settings import Settings
from tests.attached_pods import frontend, pod


class FakeCluster:
    """With namespaces by name and their labels, rights that are lacking, and the lease of another run."""

    context = "there"

    def __init__(self, labels: dict[str, str] | None, *, lacking: str = "", lease: Any = None) -> None:
        self._labels, self._lacking, self._lease = labels, lacking, lease
        self.pods: dict[str, Any] = {}
        self.deleted: list[str] = []
        self.made: list[str] = []
        self.taken_over: list[str] = []

    def version(self) -> str:
        return "v1.34"

    def namespace(self, name: str) -> Any:
        return None if self._labels is None else SimpleNamespace(metadata=SimpleNamespace(labels=self._labels))

    def may(self, verb: str, resource: str, *, namespace: str, **of: str) -> bool:
        assert namespace == "serving"
        return f"{verb} {resource}" != self._lacking

    def lease(self, namespace: str, name: str) -> Any:
        return self._lease

    def make(self, manifest: dict[str, Any]) -> None:
        self.made.append(manifest["kind"])
        self._lease = lease(seconds_ago=0, holder=manifest["spec"]["holderIdentity"])

    def patch(self, manifest: dict[str, Any]) -> None:
        self.taken_over.append(manifest["metadata"]["resourceVersion"])
        self._lease = lease(seconds_ago=0, holder=manifest["spec"]["holderIdentity"])

    def delete(self, manifest: dict[str, Any]) -> None:
        self.deleted.append(manifest["kind"])

    def await_pods(self, namespace: str, seen: object, *, within: float) -> dict[str, Any]:
        return self.pods


def lease(*, seconds_ago: float, holder: str = "laptop/77") -> Any:
    """Made when this module is read; renewed so long before."""
    renewed = datetime.now(UTC) - timedelta(seconds=seconds_ago)
    return SimpleNamespace(
        metadata=SimpleNamespace(resource_version="42"),
        spec=SimpleNamespace(renew_time=renewed, holder_identity=holder),
    )


def refused(monkeypatch: pytest.MonkeyPatch, cluster: FakeCluster, folder: Path, namespace: str = "serving") -> str:
    """Why, in words."""
    monkeypatch.setattr(attached, "Cluster", lambda context: cluster)
    with pytest.raises(Unavailable) as refusal:
        AttachedTarget(Settings(target="kubernetes", attach=namespace), logs=folder)
    return str(refusal.value)


OPEN = {"dynamo-faults/allowed": "true"}


@pytest.mark.parametrize(
    ("cluster", "namespace", "reason"),
    [
        (FakeCluster(OPEN), "kube-system", "kube-system is the cluster's own"),
        (FakeCluster(None), "serving", "there has no namespace serving"),
        (FakeCluster({}), "serving", "kubectl label namespace serving dynamo-faults/allowed=true"),
        (FakeCluster({"dynamo-faults/allowed": "no"}), "serving", "has not agreed to faults"),
        (
            FakeCluster(OPEN, lacking="delete pods"),
            "serving",
            "may not delete pods in serving: .* dynamo-fault-specs-att",
        ),
        (
            FakeCluster(OPEN, lease=lease(seconds_ago=-3600)),
            "serving",
            r"another run \(laptop/77\) is on the deployment",
        ),
    ],
)
def test_what_nobody_has_opened_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cluster: FakeCluster, namespace: str, reason: str
) -> None:
    assert re.search(reason, refused(monkeypatch, cluster, tmp_path, namespace))
    assert not cluster.made


def test_the_lease_of_a_dead_run_is_taken_over_and_given_back(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cluster = FakeCluster(OPEN, lease=lease(seconds_ago=61))
    assert "no pod in serving is a frontend" in refused(monkeypatch, cluster, tmp_path)
    assert (cluster.made, cluster.taken_over, cluster.deleted) == ([], ["42"], ["Lease"])


def test_a_lease_that_another_has_taken_over_is_left_to_it() -> None:
    cluster = FakeCluster(OPEN)
    made: Any = cluster
    ours, theirs = Lease(made, "serving", "l"), Lease(made, "serving", "l")
    ours.take()
    theirs.take(over=cluster.lease("serving", "l"))
    ours.give_back()
    assert not cluster.deleted
    theirs.give_back()
    assert cluster.deleted == ["Lease"]


def test_settings_that_are_not_those_of_the_deployment_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cluster = FakeCluster(OPEN)
    cluster.pods = {one.metadata.name: one for one in (frontend(), pod("w"))}
    assert "the deployment in serving has engine=real: say -D engine=real" in refused(monkeypatch, cluster, tmp_path)


def test_scenarios_share_the_one_deployment_in_turn() -> None:
    with pytest.raises(UsageError, match="-j 3: there is one deployment, serving, for one scenario"):
        run(["-j", "3", "-D", "target=kubernetes", "-D", "attach=serving"])


def test_the_guide_s_variables_mean_a_deployment_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DYNAMO_NAMESPACE", "serving")
    monkeypatch.delenv("FRONTEND_URL", raising=False)
    assert (Settings().attach, Settings().namespace) == (None, "serving")
    monkeypatch.setenv("FRONTEND_URL", "http://localhost:8000")
    assert (Settings().attach, Settings().frontend_url) == ("serving", "http://localhost:8000")
