"""The agent against a model: whatever is asked, in whatever order, each fault is in the state that it should be in."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as some
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from injector.agents.agent import Agent
from injector.agents.family import Family, NoEffect, StillThere, Work
from injector.clock import Clock, Moment
from injector.errors import Conflict, Undone
from injector.fault import Order
from injector.life import NEXT, State
from injector.words import Kind

PODS = ("a", "b", "c")
SECONDS = 10


class FakeClock(Clock):
    """Stands still unless it is told to go on."""

    def __init__(self) -> None:
        self.seconds = 0

    def now(self) -> Moment:
        return Moment("boot", self.seconds * 10**9)

    def wall(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)


class FakeHarm(Family):
    """Harm that is a name in a set, which may refuse to come or to go."""

    name = "fake"

    def __init__(self) -> None:
        self.there: set[str] = set()
        self.comes = self.goes = True
        self.gone_pods: set[str] = set()

    def answers(self, order: Order) -> bool:
        return True

    def available(self, order: Order) -> str | None:
        return None

    def claims(self, order: Order) -> frozenset[str]:
        return frozenset(order.pods)

    def plan(self, order: Order) -> dict[str, Any]:
        return {}

    def inject(self, work: Work) -> None:
        if self.comes:
            self.there.add(work.mark)

    def verify(self, work: Work) -> str:
        if work.mark not in self.there:
            raise NoEffect("it is not there")
        return "it is there"

    def heal(self, work: Work) -> None:
        if self.goes:
            self.there.discard(work.mark)

    def gone(self, work: Work) -> str:
        if work.mark in self.there:
            raise StillThere("it is there")
        return "it is not there"

    def victim_gone(self, work: Work) -> str | None:
        return "it has gone" if set(work.fault.order.pods) & self.gone_pods else None

    def lost(self, work: Work) -> str | None:
        return None if work.mark in self.there else "it was taken away"

    def leftovers(self, prefix: str) -> set[str]:
        return {mark for mark in self.there if mark.startswith(prefix)}

    def sweep(self, mark: str) -> None:
        self.there.discard(mark)


def started(folder: Path, harm: FakeHarm, clock: FakeClock) -> Agent:
    """One that looks only when it is told to."""
    agent = Agent(folder, [harm], clock=clock)
    agent._watch.start = lambda: None  # type: ignore[method-assign]  # the thread that looks by itself
    agent.start()
    return agent


class AgentAndModel(RuleBasedStateMachine):
    """The model: what each order asked for, the state that it should have, and what it should become."""

    orders = Bundle("orders")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.clock, self.harm = FakeClock(), FakeHarm()
        self.model: dict[str, State] = {}
        self.ending: dict[str, State] = {}
        self.asked: dict[str, tuple[Order, int]] = {}
        self.passed: list[tuple[str, State]] = []
        self._begin()

    def _begin(self) -> None:
        self.agent = started(self.folder, self.harm, self.clock)

    @rule(target=orders, pod=some.sampled_from(PODS))
    def ask(self, pod: str) -> str:
        order = Order(id=f"f{len(self.asked)}", kind=Kind.PROCESS, fault_type="X", pods=(pod,), seconds=SECONDS)
        self.asked[order.id] = order, self.clock.seconds + SECONDS
        taken = [one for one, state in self.model.items() if not state.over and self.asked[one][0].pods == order.pods]
        if taken:
            with pytest.raises(Conflict):
                self.agent.inject(order)
        elif self.harm.comes:
            assert self.agent.inject(order).state is State.ACTIVE
            self.model[order.id] = State.ACTIVE
        else:
            with pytest.raises(Undone):
                self.agent.inject(order)
            self.model[order.id] = State.FAILED
        return order.id

    @rule(identity=orders)
    def ask_again(self, identity: str) -> None:
        if identity in self.model and self.model[identity] is not State.FAILED:
            assert self.agent.inject(self.asked[identity][0]).state is self.model[identity]

    @rule(identity=orders)
    def recover(self, identity: str) -> None:
        if identity not in self.model:
            return
        if self._takes_back(identity, State.RECOVERED):
            assert self.agent.recover(identity).over
        else:
            with pytest.raises(Undone):
                self.agent.recover(identity)

    @rule()
    def recover_all(self) -> None:
        over = [self._takes_back(identity, State.RECOVERED) for identity in self.model]
        if all(over):
            self.agent.recover_all()
        else:
            with pytest.raises(Undone):
                self.agent.recover_all()

    @rule(seconds=some.integers(0, SECONDS))
    def time_passes(self, seconds: int) -> None:
        self.clock.seconds += seconds
        self._look()
        self.agent._look()

    @rule()
    def the_agent_is_started_anew(self) -> None:
        self.agent.close()
        self._look()
        self._begin()

    @rule(comes=some.booleans(), goes=some.booleans())
    def the_kernel_changes_its_mind(self, comes: bool, goes: bool) -> None:
        self.harm.comes, self.harm.goes = comes, goes

    @rule(pod=some.sampled_from(PODS), there=some.booleans())
    def a_pod_comes_or_goes(self, pod: str, there: bool) -> None:
        (self.harm.gone_pods.discard if there else self.harm.gone_pods.add)(pod)

    @rule()
    def somebody_takes_it_all_away(self) -> None:
        self.harm.there.clear()

    def _look(self) -> None:
        """What a look at all faults makes of them."""
        for identity, state in self.model.items():
            order, due = self.asked[identity]
            lost = not any(mark.endswith(f"_{identity}") for mark in self.harm.there)
            if state is State.RECOVERING:
                self._takes_back(identity, State.RECOVERED)
            elif state is State.ACTIVE and (self.clock.seconds >= due or set(order.pods) & self.harm.gone_pods):
                self._takes_back(identity, State.EXPIRED)
            elif state is State.ACTIVE and lost:
                self._takes_back(identity, State.FAILED)

    def _takes_back(self, identity: str, ending: State) -> bool:
        """Whether it is over afterwards; what it was to become first stays so."""
        if self.model[identity].over:
            return True
        wanted = self.ending.setdefault(identity, ending)
        there = any(mark.endswith(f"_{identity}") for mark in self.harm.there)
        self.model[identity] = wanted if self.harm.goes or not there else State.RECOVERING
        return self.model[identity].over

    @invariant()
    def every_fault_is_what_it_should_be(self) -> None:
        assert {fault.id: fault.state for fault in self.agent.faults()} == self.model

    @invariant()
    def the_list_tells_no_lie(self) -> None:
        for fault in self.agent.faults():
            assert fault.over is (fault.state in (State.RECOVERED, State.EXPIRED, State.FAILED))
            assert not (fault.over and fault.mark in self.harm.there)
            assert (fault.ended is not None) is fault.over

    @invariant()
    def the_journal_says_the_same(self) -> None:
        assert {fault.id: fault.state for fault in self.agent._memory._journal.all()} == self.model

    def teardown(self) -> None:
        self.agent.close()
        shutil.rmtree(self.folder)


TestAgentAndModel = AgentAndModel.TestCase
TestAgentAndModel.settings = settings(
    max_examples=200,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
    database=None,
)


def test_every_state_leads_to_an_end_through_recovering() -> None:
    assert set(NEXT) == set(State)
    ends = {state for state in State if state.over}
    assert ends == {State.RECOVERED, State.EXPIRED, State.FAILED}
    for state, after in NEXT.items():
        assert not after & ends or state is State.RECOVERING
        assert state.over or State.RECOVERING in after | {state}


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[tuple[Agent, FakeHarm, FakeClock]]:
    """An agent with a fault on pod a."""
    clock, harm = FakeClock(), FakeHarm()
    agent = started(tmp_path, harm, clock)
    agent.inject(Order(id="f0", kind=Kind.PROCESS, fault_type="X", pods=("a",), seconds=SECONDS))
    yield agent, harm, clock
    agent.close()


def test_a_fault_that_ends_while_it_is_looked_at_has_expired(watched: tuple[Agent, FakeHarm, FakeClock]) -> None:
    agent, harm, clock = watched

    def lost_at_the_deadline(work: Work) -> str:
        clock.seconds = SECONDS
        harm.there.clear()
        return "its keeper has gone"

    harm.lost = lost_at_the_deadline  # type: ignore[method-assign]
    agent._look()
    (fault,) = agent.faults()
    assert (fault.state, fault.reason) == (State.EXPIRED, None)


def test_who_cannot_tell_of_a_fault_keeps_no_other_from_its_end(watched: tuple[Agent, FakeHarm, FakeClock]) -> None:
    agent, harm, clock = watched

    def broken(work: Work) -> str:
        raise ValueError("nobody thought of it")

    harm.lost = broken  # type: ignore[method-assign]
    harm.departed = broken  # type: ignore[assignment, method-assign]
    agent._look()
    clock.seconds = SECONDS
    agent._look()
    (fault,) = agent.faults()
    assert fault.state is State.EXPIRED
