"""One fault at two nodes: both do it or neither, whoever refuses, dies or forgets. The agents are fakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from injector.api_service.agents import Unreachable
from injector.api_service.drafts import Draft, of_network
from injector.api_service.requests import NetworkRequest
from injector.api_service.service import GRACE, Service
from injector.clock import Clock
from injector.errors import Conflict, Undone, Unknown
from injector.fault import Fault, Order
from injector.inventory import Identity, Pod
from injector.life import State

UID = "3cde9e69-6a10-4e0f-9297-a24858ecc12"


class LaterClock(Clock):
    """The kernel's, and a little more."""

    later = 0.0

    def seconds_until(self, moment: Any) -> float:
        return super().seconds_until(moment) - self.later


class FakeAgent:
    """Says that it has done what it is told."""

    def __init__(self) -> None:
        self.known: dict[str, Fault] = {}
        self.refusal: Exception | None = None
        self.told: list[Order] = []

    def inject(self, order: Order) -> Fault:
        if self.refusal:
            raise self.refusal
        self.told.append(order)
        self.known[order.id] = Fault(
            id=order.id,
            order=order,
            state=State.ACTIVE,
            deadline=Clock().after(order.seconds),
            undo={"mark": "m"},
            simulated=False,
            irreversible=None,
            created=Clock().wall(),
        )
        return self.known[order.id]

    def recover(self, identity: str) -> Fault:
        if identity not in self.known:
            raise Unknown("it does not know it")
        self.known[identity].state = State.RECOVERED
        return self.known[identity]

    def faults(self, ids: list[str] | None = None) -> dict[str, Fault]:
        if isinstance(self.refusal, Unreachable):
            raise self.refusal
        return {one.id: one for one in self.known.values() if ids is None or one.id in ids}


class FakeCluster:
    """Pods on two nodes."""

    def pods(self, namespace: str | None = None) -> list[Pod]:
        return [_pod("frontend-0", 1), _pod("frontend-1", 2), _pod("vllm-worker-0", 2), _pod("vllm-worker-1", 1)]


def _pod(name: str, node: int) -> Pod:
    return Pod(
        name=name,
        role="frontend" if name.startswith("frontend") else "worker",
        address=f"10.0.{node}.{name[-1]}",
        port=80,
        node=f"n{node}",
        faults_allowed=True,
        belongs_to="ours",
        identity=Identity(uid=f"{UID}{node}", containers=()),
        ready=True,
    )


class Ground:
    """A service over two agents."""

    def __init__(self, folder: Path) -> None:
        self.agents = {"n1": FakeAgent(), "n2": FakeAgent()}
        self.clock = LaterClock()
        self._folder = folder

    def service(self, memory: str = "memory", **more: Any) -> Service:
        return Service(self._folder / memory, self.agents, FakeCluster(), clock=self.clock, **more)  # type: ignore[arg-type]

    def states(self) -> list[list[State]]:
        return [[fault.state for fault in agent.known.values()] for agent in self.agents.values()]


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path)


def draft(**asked: Any) -> Draft:
    request = NetworkRequest.model_validate({"partition_type": "FRONTEND_WORKER", "target": "vllm-worker-0"} | asked)
    return of_network(request, FakeCluster())


def test_each_agent_is_told_of_its_own_pods_by_what_its_node_knows(ground: Ground) -> None:
    made = ground.service().inject(draft())
    assert (made.namespace, made.targets) == ("ours", ["frontend-0", "frontend-1", "vllm-worker-0"])
    (first,), (second,) = ground.agents["n1"].told, ground.agents["n2"].told
    assert (first.pods, second.pods) == (("ours/frontend-0",), ("ours/frontend-1", "ours/vllm-worker-0"))
    assert second.identities["ours/vllm-worker-0"].uid == f"{UID}2"
    ends = {end["pod"]: [peer["address"] for peer in end["peers"]] for end in second.parameters["ends"]}
    assert ends == {"ours/frontend-1": ["10.0.2.0"], "ours/vllm-worker-0": ["10.0.1.0", "10.0.2.1"]}


def test_whoever_resets_comes_first(ground: Ground) -> None:
    """Else the first proof would see connections that the second end is to reset, and a worker would take requests in
    between that it cannot answer."""
    assert [*draft(action="REJECT").nodes] == ["n2", "n1"]
    ends = draft(action="REJECT").parameters["n2"]["ends"]
    assert [end["pod"] for end in ends] == ["ours/vllm-worker-0", "ours/frontend-1"]
    assert [*draft(action="REJECT", target="vllm-worker-1").nodes] == ["n1", "n2"]


@pytest.mark.parametrize("refusal", [Conflict("it is taken"), Undone("it had no effect")])
def test_what_one_refuses_the_other_takes_back(ground: Ground, refusal: Exception) -> None:
    ground.agents["n1"].refusal = refusal
    service = ground.service()
    with pytest.raises(type(refusal), match=str(refusal)):
        service.inject(draft(), identity="one")
    assert ground.states() == [[], [State.RECOVERED]]
    assert (service.fault("one").state, service.fault("one").targets_left) == (State.FAILED, [])


def test_what_a_service_made_by_half_before_it_died_the_next_one_undoes(ground: Ground) -> None:
    def die(step: str) -> None:
        if step == "ordered":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ground.service(step=die).inject(draft(), identity="one")
    assert ground.states() == [[], [State.ACTIVE]]
    found = ground.service().fault("one")
    assert ground.states() == [[], [State.RECOVERED]]
    assert (found.state, found.reason) == (
        State.FAILED,
        "the agent of n1 knows nothing of it: it was never done, or was undone when it started",
    )


def test_a_service_that_forgot_learns_from_both(ground: Ground) -> None:
    made = ground.service().inject(draft())
    forgetful = ground.service("none")
    (found,) = forgetful.faults()
    assert (found.asked, found.targets, found.nodes) == (made.asked, made.targets, ["n1", "n2"])
    assert forgetful.recover(made.id).state is State.RECOVERED
    assert ground.states() == [[State.RECOVERED], [State.RECOVERED]]


def test_it_also_learns_what_ended_meanwhile(ground: Ground) -> None:
    ground.service().inject(draft(), identity="one")
    for agent in ground.agents.values():
        agent.known["one"].state = State.EXPIRED
    assert (ground.service("none").fault("one").state, ground.service("none").faults()) == (State.EXPIRED, [])


def test_who_is_silent_may_know_it(ground: Ground) -> None:
    ground.agents["n2"].refusal = Unreachable("it is silent")
    service = ground.service()
    with pytest.raises(Undone, match="nobody knows the fault 'one', and the agents of n2 do not answer"):
        service.fault("one")
    ground.agents["n2"].refusal = None
    with pytest.raises(Unknown, match="there is no fault 'one'"):
        service.fault("one")


def test_on_a_node_that_is_gone_it_ends_with_its_deadline(ground: Ground) -> None:
    service = ground.service()
    service.inject(draft(), identity="one", seconds=30)
    gone = ground.agents.pop("n2")
    assert gone.known["one"].state is State.ACTIVE
    assert service.fault("one").state is State.ACTIVE
    ground.agents["n1"].known["one"].state = State.EXPIRED
    ground.clock.later = 30 + GRACE + 1
    found = service.fault("one")
    assert (found.state, found.reason) == (
        State.EXPIRED,
        "there is no agent on the node n2: start one there; its deadline has passed, and ends it without the agent",
    )


def test_whose_pods_have_gone_is_told(ground: Ground) -> None:
    service = ground.service()
    service.inject(draft(), identity="one")
    ground.agents["n2"].known["one"].departed = ("ours/vllm-worker-0",)
    found = service.fault("one")
    assert (found.state, found.targets_left) == (State.ACTIVE, ["frontend-0", "frontend-1"])
    assert str(found.reason).startswith("it is still done to 2 of 3 pods: vllm-worker-0 went")
