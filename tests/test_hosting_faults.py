"""Faults that a cluster does: each is done as asked, seen, and taken back. The cluster is a fake with a script."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from support.deeds import parse_deed
from support.deployment import Deployment
from support.errors import DeploymentError, FaultError, Unavailable, UsageError
from support.faults import Stage, failing_rollout, kind
from support.faults.api_away import ApiAway
from support.faults.delete_pod import DeletePod, await_back
from support.faults.evict import Drain, Evict, EvictWithinBudget
from support.faults.failing_rollout import FLAWS, FailingRollout
from support.faults.lose_node import LoseNode
from support.kubernetes_target.hosting import Pod
from support.metrics import Metrics
from support.spec import Role
from support.victims import victims
from tests.made_deployments import deployment_of

SPARE = "node-1"
EVERYTHING = (
    'w: image x cannot be had on n; no node takes it; secret "s" not found; persistentvolumeclaim "p" not found; '
    'RuntimeClass "r" not found; exceeded quota; maximum memory usage per Pod is 1; violates PodSecurity'
)


class FakeHosting:
    """Its pods replace each other at once; it tells what was asked of it."""

    namespace = "ns"

    def __init__(self, **node_of: str) -> None:
        self.there = {name.replace("_", "-"): pod(name.replace("_", "-"), node) for name, node in node_of.items()}
        self.asked: list[tuple[Any, ...]] = []
        self.refuses: list[str] = []
        self.stuck = False
        self.said: list[str] = []
        self.late: dict[str, Pod] = {}

    def pods(self) -> dict[str, Pod]:
        return dict(self.there)

    def await_pods(self, seen: Callable[[Mapping[str, Pod]], bool], *, within: float) -> dict[str, Pod]:
        if not seen(self.there):
            self.there |= self.late
        return dict(self.there)

    def delete(self, name: str, *, grace: int | None) -> None:
        self.asked.append(("delete", name, grace))
        self._replace(name)

    def evict(self, name: str) -> str | None:
        self.asked.append(("evict", name))
        if self.refuses:
            return self.refuses.pop()
        self._replace(name)
        return None

    def must_not_lose(self, node: str) -> str | None:
        return None if node == SPARE else f"{node} is ours"

    def insist_on_closing_nodes(self) -> None: ...

    def insist_on_command(self, *names: str) -> None: ...

    def cordon(self, node: str, *, closed: bool = True) -> None:
        self.asked.append(("cordon", node, closed))

    def cordoned(self, node: str) -> bool:
        return True

    def lose_node(self, node: str) -> None:
        self.asked.append(("lose", node))

    def return_node(self, node: str) -> None:
        self.asked.append(("return", node))

    def await_node(self, node: str, *, ready: bool, within: float) -> None:
        """What is on it is called so a moment later."""
        self.late = {name: replace(one, ready=ready) for name, one in self.there.items() if one.node == node}

    def make(self, manifest: Mapping[str, Any]) -> None:
        self.asked.append(("make", manifest["kind"]))

    def take_away(self, manifest: Mapping[str, Any]) -> None:
        self.asked.append(("take away", manifest["kind"]))

    def insist_on_security(self, level: str | None) -> None:
        self.asked.append(("security", level))

    def roll_out(self, name: str, change: Callable[[dict[str, Any]], None]) -> None:
        template = {"metadata": {}, "spec": {"containers": [{"image": "i:1"}], "volumes": [{"name": "data"}]}}
        change(template)
        self.asked.append(("roll out", template))

    def stay(self, name: str) -> None:
        self.asked.append(("stay", name))

    def warnings(self) -> list[str]:
        return self.said

    def _replace(self, name: str) -> None:
        if not self.stuck:
            self.there[name] = pod(name, "node-0", uid=f"{self.there[name].uid}'")


def pod(name: str, node: str, *, uid: str = "u") -> Pod:
    return Pod(name=name, uid=uid, node=node, ready=True, waits_for=None, hopeless=False)


class FakeComponent:
    """Ends each time that somebody looks."""

    running = True

    def __init__(self, name: str, role: Role) -> None:
        self.name, self.role = name, role
        self._looks = 0

    @property
    def ends(self) -> list[int]:
        self._looks += 1
        return [-9] * self._looks

    def metrics(self) -> Metrics:
        return Metrics([])


def made(hosting: FakeHosting, **spec: Any) -> Deployment:
    deployment: Any = deployment_of(**spec)
    deployment.components = {one.name: FakeComponent(one.name, one.role) for one in deployment.components.values()}
    deployment.hosting = lambda: hosting
    deployment.lacking = list
    return cast(Deployment, deployment)


def stage(deployment: Deployment) -> Stage:
    return Stage(deployment, None, cast(Any, None))


def two_workers(**nodes: str) -> FakeHosting:
    rest = {"etcd_0": "node-0", "nats_0": "node-0", "frontend_0": "node-0"}
    return FakeHosting(vllm_worker_0="node-0", vllm_worker_1=SPARE, **(rest | nodes))


def of(name: str, deployment: Deployment, whom: str, **parameters: str) -> Any:
    (fault,) = kind(name).of(stage(deployment), victims(deployment, whom), parameters)
    return fault


@pytest.mark.parametrize(
    ("words", "kind_of", "parameters"),
    [
        ("is deleted", DeletePod, {}),
        ("is deleted without grace", DeletePod, {"grace": "0"}),
        ("is evicted", Evict, {}),
        ("are evicted as far as that is allowed", EvictWithinBudget, {}),
        ("is drained", Drain, {}),
        ("is lost", LoseNode, {}),
    ],
)
def test_deeds_in_words(words: str, kind_of: type, parameters: Mapping[str, str]) -> None:
    deed = parse_deed(words)
    assert kind(deed.kind) is kind_of
    assert deed.parameters == parameters


@pytest.mark.parametrize("words", ["the pod of one worker", "the pods of all workers", "the node of the frontend"])
def test_whose_pod_is_meant(words: str) -> None:
    assert victims(made(two_workers(), workers=2), words)[0].role == ("frontend" if "frontend" in words else "worker")


def test_a_deleted_pod_is_seen_to_go() -> None:
    hosting = two_workers()
    fault = of("delete_pod", made(hosting, workers=2), "vllm-worker-1", grace="0")
    fault.inject()
    assert hosting.asked == [("delete", "vllm-worker-1", 0)]
    assert fault.verify() == "pod u of vllm-worker-1 on node-1 is gone, its process ended with -9"


def test_a_pod_that_stays_is_no_fault() -> None:
    hosting = two_workers()
    hosting.stuck = True
    with pytest.raises(FaultError, match="the pod vllm-worker-1 is still there"):
        of("delete_pod", made(hosting, workers=2), "vllm-worker-1").inject()


@pytest.mark.parametrize(("grace", "said"), [("soon", "whole number"), ("-1", "whole number")])
def test_a_grace_that_is_none(grace: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        of("delete_pod", made(two_workers(), workers=2), "vllm-worker-1", grace=grace)


def test_who_is_evicted_waits_for_the_budget() -> None:
    hosting = two_workers()
    hosting.refuses = ["Cannot evict pod as it would violate the pod's disruption budget."]
    fault = of("evict_within_budget", made(hosting, workers=2), "every worker")
    fault.inject()
    assert [one[1] for one in hosting.asked] == ["vllm-worker-0", "vllm-worker-0", "vllm-worker-1"]
    assert "the cluster refused 1 times: Cannot evict pod" in fault.verify()


def test_a_budget_that_never_refuses_proves_nothing() -> None:
    fault = of("evict_within_budget", made(two_workers(), workers=2), "every worker")
    fault.inject()
    with pytest.raises(FaultError, match="no disruption budget has stood in the way"):
        fault.verify()


def test_a_node_is_drained_and_opened_again() -> None:
    hosting = two_workers()
    fault = of("drain", made(hosting, workers=2), "every worker")
    fault.inject()
    assert fault.victim == "vllm-worker-1"
    assert "node-1 is closed; gone: pod u of vllm-worker-1 on node-1; now vllm-worker-1 on node-0" in fault.verify()
    fault.heal()
    fault.heal()
    assert hosting.asked == [("cordon", SPARE, True), ("evict", "vllm-worker-1"), ("cordon", SPARE, False)]


def test_a_node_that_is_lost_is_seen_lost_and_back() -> None:
    hosting = two_workers()
    fault = of("lose_node", made(hosting, workers=2), "every worker")
    fault.inject()
    assert fault.verify() == "the cluster has node-1 as lost, with vllm-worker-1"
    fault.heal()
    fault.heal()
    assert hosting.asked == [("lose", SPARE), ("return", SPARE)]


@pytest.mark.parametrize("what", ["drain", "lose_node"])
def test_only_nodes_of_workers_and_with_leave_are_taken(what: str) -> None:
    with pytest.raises(
        Unavailable, match=r"taken away: node-0 is ours; node-1 has nats-0 as well, so that more than workers"
    ):
        of(what, made(two_workers(nats_0=SPARE), workers=2), "every worker")


@pytest.mark.parametrize("flaw", FLAWS)
def test_an_upgrade_fails_as_it_should_and_is_mended(flaw: str) -> None:
    hosting = two_workers()
    hosting.said = [EVERYTHING]
    fault = of("failing_rollout", made(hosting, workers=2), "one worker", flaw=flaw)
    fault.inject()
    assert fault.verify().endswith("there are still vllm-worker-0, vllm-worker-1")
    begun = len(hosting.asked)
    fault.heal()
    *before, (rolled, flawed) = hosting.asked[:begun]
    (rolled_back, mended), *after = hosting.asked[begun:]
    assert rolled == rolled_back == "roll out"
    assert flawed["metadata"]["annotations"]
    assert mended == {"metadata": {}, "spec": {"containers": [{"image": "i:1"}], "volumes": [{"name": "data"}]}}
    assert len(after) == len(before) + 1


def test_an_upgrade_of_which_nobody_says_why_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failing_rollout, "TOLD_WITHIN", 0.1)
    fault = of("failing_rollout", made(two_workers(), workers=2), "one worker", flaw="an image that nobody has")
    with pytest.raises(FaultError, match="the cluster says why it cannot upgrade"):
        fault.inject()
    assert isinstance(fault, FailingRollout)


def test_what_does_not_come_back_is_named() -> None:
    hosting = two_workers()
    hosting.there["nats-0"] = replace(hosting.there["nats-0"], ready=False)
    with pytest.raises(FaultError, match="nats-0 was to be back and is not ready after 1 s"):
        await_back(made(hosting, workers=2), within=1)


def test_elsewhere_there_is_no_cluster() -> None:
    deployment = deployment_of(workers=2)
    whom: Sequence[Any] = victims(deployment, "every worker")
    for name in ("delete_pod", "evict", "drain", "lose_node", "api_away", "failing_rollout"):
        with pytest.raises(Unavailable, match="it needs a Kubernetes cluster"):
            kind(name).of(stage(deployment), whom, {"flaw": "an image that nobody has"} if "rollout" in name else {})


class FakeServer:
    """An API server that may be taken away. late: it goes on answering."""

    def __init__(self, *, late: bool) -> None:
        self.there, self.late = True, late
        self.asked: list[str] = []

    def insist_on_command(self, *names: str) -> None: ...

    def insist_on_direct_reach(self) -> None: ...

    def lose_api(self) -> None:
        self.asked.append("lose")
        self.there = self.late

    def return_api(self) -> None:
        self.asked.append("return")
        self.there = True

    def api_answers(self, *, within: float) -> bool:
        return self.there


def test_an_api_server_is_away_and_brought_back() -> None:
    server = FakeServer(late=False)
    fault = ApiAway(cast(Any, server))
    fault.inject()
    assert fault.verify() == "the API server has not answered for 2 s"
    fault.heal()
    fault.heal()
    assert server.asked == ["lose", "return"]


def test_an_api_server_that_was_not_away_is_brought_back_all_the_same() -> None:
    server = FakeServer(late=True)
    fault = ApiAway(cast(Any, server))
    fault.inject()
    with pytest.raises(FaultError, match="was to be away, and answers"):
        fault.verify()
    fault.heal()
    assert server.asked == ["lose", "return"]


def test_an_api_server_that_is_back_early_is_told_of_and_brought_back_all_the_same() -> None:
    server = FakeServer(late=False)
    fault = ApiAway(cast(Any, server))
    fault.inject()
    fault.verify()
    server.there = True
    with pytest.raises(FaultError, match="was back before it was to be"):
        fault.heal()
    fault.heal()
    assert server.asked == ["lose", "return"]


def test_a_node_is_opened_although_the_cluster_was_silent_for_a_moment() -> None:
    hosting = two_workers()
    fault = of("drain", made(hosting, workers=2), "every worker")
    fault.inject()
    silences = iter([DeploymentError("the cluster does not answer")])
    cordon = hosting.cordon

    def silent_once(node: str, *, closed: bool = True) -> None:
        for silence in silences:
            raise silence
        cordon(node, closed=closed)

    hosting.cordon = silent_once  # type: ignore[method-assign]  # of this fake alone
    fault.heal()
    assert hosting.asked[-1] == ("cordon", SPARE, False)
