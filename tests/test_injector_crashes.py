"""The crash matrix: the agent is killed at every step of every fault's life, and nothing of it stays."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from injector.agents.agent import Agent
from injector.agents.partition import Cut, PartitionError, tables
from injector.errors import Unknown
from injector.fault import Order
from injector.life import State
from support.waiting import eventually
from tests.in_lab import in_lab, lab_process, needs_lab
from tests.injected import NAMES, Ground, every_order, ground, new_ground

SIDE_BY_SIDE = 8
OF_THEIR_OWN = [name for name in NAMES if name not in ("loss", "overload")]
"""Loss goes step by step the way of drop, and overload that of throttle: they need not wait for deadlines, too."""
OVER_WITHIN = 2.5


@pytest.fixture(scope="module", autouse=True)
def in_one_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with lab_process(tmp_path_factory.mktemp("lab")):
        yield


@needs_lab
@pytest.mark.parametrize("name", NAMES)
def test_an_agent_that_is_killed_and_started_again_leaves_nothing(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = killed_and_started_again(name)
    assert {"intended", "INJECTING", "injected", "verified", "ACTIVE", "healed", "seen gone", "RECOVERED"} <= set(steps)
    with capsys.disabled():
        print(f"\n  {name}: killed at {len(steps)} steps and started again", end="")


@needs_lab
@pytest.mark.parametrize("name", OF_THEIR_OWN)
def test_an_agent_that_is_killed_for_good_leaves_nothing_after_the_deadline(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = killed_for_good(name)
    with capsys.disabled():
        print(f"\n  {name}: killed for good at {steps} steps", end="")


@in_lab
def killed_and_started_again(name: str) -> list[str]:
    return killed_at_each_step(ground, lambda around: every_order(around)[name], name)


def killed_at_each_step(
    grounds: Callable[[], AbstractContextManager[Ground]], order_on: Callable[[Ground], Order], name: str
) -> list[str]:
    """The steps of its life, after each of which an agent was killed, and another one told the truth."""
    with grounds() as around:
        steps = steps_of(around, order_on(around))
    for number, step in enumerate(steps):
        with grounds() as around:
            order = order_on(around)
            crash(around, around.folder / "agent", order, number)
            agent = Agent(around.folder / "agent", around.families())
            agent.start()
            try:
                expect_the_truth(around, agent, order, f"{name}, killed after step {number} ({step})")
            finally:
                agent.close()
    return steps


def expect_the_truth(around: Ground, agent: Agent, order: Order, where: str) -> None:
    """What is listed is what is there; and nothing is, once it is taken back."""
    try:
        fault = agent.fault(order.id)
    except Unknown as unknown:
        raise AssertionError(f"{where}: the intent was not remembered") from unknown
    if fault.over:
        assert around.traces() == [], f"{where}: {fault.state}"
    else:
        assert fault.state is State.ACTIVE, f"{where}: {fault.state}, {fault.trouble}"
        assert agent.recover(order.id).state is State.RECOVERED, where
    assert around.traces() == [], where


@in_lab
def killed_for_good(name: str) -> int:
    """Each crash has a worker of its own; all wait for their deadlines together."""
    with new_ground(SIDE_BY_SIDE) as around:
        steps = len(steps_of(around, every_order(around)[name]))
        for first in range(0, steps, SIDE_BY_SIDE):
            around.renew()
            for number in range(first, min(first + SIDE_BY_SIDE, steps)):
                order = every_order(around, seconds=1.0, worker=f"vllm-worker-{number - first}")[name]
                crash(around, around.folder / f"agent-{number}", order, number)
            eventually(lambda: nothing_acts(around), within=OVER_WITHIN, describe="nothing acts any more")
            for pod in around.pods.values():  # what stays of a cut has no effect; who asks for the namespaces sees it
                for table in tables(pod.namespace):
                    Cut(pod.namespace, table, (), 0).heal()
    return steps


def nothing_acts(around: Ground) -> bool:
    acting = [trace for trace in around.kernel_traces() if not trace.startswith("table ")]
    for pod in around.pods.values():
        acting += [f"{table} at {pod.name}" for table in tables(pod.namespace) if _elements(pod.namespace, table)]
    assert not acting, acting
    return True


def _elements(namespace: Path, table: str) -> bool:
    """A set of it still has an address."""
    command = ["nsenter", f"--net={namespace}", "nft", "list", "table", "inet", table]
    said = subprocess.run(command, capture_output=True, text=True)
    if said.returncode:
        raise PartitionError(said.stderr)
    return "elements" in said.stdout


def life(agent: Agent, order: Order) -> None:
    agent.start()
    agent.inject(order)
    agent.recover(order.id)


def steps_of(around: Ground, order: Order) -> list[str]:
    """The names of its steps, as an undisturbed life has them."""
    steps: list[str] = []
    agent = Agent(around.folder / "undisturbed", around.families(), step=steps.append)
    try:
        life(agent, order)
    finally:
        agent.close()
    return steps


def crash(around: Ground, state: Path, order: Order, at: int) -> None:
    """An agent, in a process of its own, that lives until it is killed after that step."""
    child = os.fork()
    if not child:
        try:
            life(Agent(state, around.families(), step=_killer(at)), order)
        finally:
            os._exit(1)  # it was to be killed
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL, f"it was not killed at step {at}"


def _killer(at: int) -> Callable[[str], None]:
    passed = 0

    def step(name: str) -> None:
        nonlocal passed
        if passed == at:
            os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(60)
        passed += 1

    return step
