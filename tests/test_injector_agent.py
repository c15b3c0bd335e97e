"""The agent: what becomes of faults, with the kernel's own objects."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from injector.agents.agent import Agent
from injector.life import State
from support.waiting import eventually
from tests.in_lab import in_lab, lab_process
from tests.injected import NAMES, Ground, every_order, ground


@pytest.fixture(scope="module", autouse=True)
def in_one_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with lab_process(tmp_path_factory.mktemp("lab")):
        yield


@contextmanager
def agent_of(around: Ground) -> Iterator[Agent]:
    made = Agent(around.folder / "agent", around.families())
    made.start()
    try:
        yield made
    finally:
        made.close()


@in_lab
@pytest.mark.parametrize("name", NAMES)
def test_a_fault_is_active_when_it_was_seen_and_over_when_it_was_seen_gone(name: str) -> None:
    with ground() as around, agent_of(around) as agent:
        order = every_order(around)[name]
        fault = agent.inject(order)
        assert fault.state is State.ACTIVE
        assert len(fault.evidence) == 1
        assert agent.inject(order) is fault
        assert around.traces() or name in {"kill", "xid dies"}
        assert agent.recover(order.id).state is State.RECOVERED
        assert len(fault.evidence) == 2
        assert agent.recover(order.id) is fault
        assert around.traces() == []


@in_lab
@pytest.mark.parametrize("name", NAMES)
def test_a_fault_ends_at_its_deadline(name: str) -> None:
    with ground() as around, agent_of(around) as agent:
        order = every_order(around, seconds=1.5)[name]
        fault = agent.inject(order)
        eventually(lambda: fault.over, within=10, describe="it is over")
        assert fault.state is State.EXPIRED
        assert around.traces() == []
        assert fault.ended
        assert 1.4 <= (fault.ended - fault.created).total_seconds() < 4
