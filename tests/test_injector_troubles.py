"""The agent in trouble: faults that do nothing, victims that go, races, full disks, damaged journals."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from injector.agents import keepers
from injector.agents.agent import Agent
from injector.agents.family import Family, Work
from injector.agents.network import Partition
from injector.agents.partition import Cut
from injector.agents.processes import marked
from injector.agents.sockets import socket_in
from injector.clock import Clock, Moment
from injector.errors import Conflict, Refusal, Unable, Undone
from injector.fault import Fault, Order
from injector.life import State
from support.waiting import eventually
from tests.in_lab import in_lab, lab_process
from tests.injected import NAMES, PORT, Ground, every_order, ground, new_ground


@pytest.fixture(scope="module", autouse=True)
def in_one_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with lab_process(tmp_path_factory.mktemp("lab")):
        yield


@contextmanager
def agent_of(around: Ground, *, clock: Clock | None = None, state: Path | None = None) -> Iterator[Agent]:
    made = Agent(state or around.folder / "agent", around.families(), clock=clock)
    made.start()
    try:
        yield made
    finally:
        made.close()


def family_of(agent: Agent, name: str) -> Family:
    return next(family for family in agent._families if family.name == name)


def nothing(work: Work) -> None:
    """A deed that does nothing."""


FAMILY = {
    "drop": "partition",
    "reject": "partition",
    "loss": "partition",
    "pause": "pause",
    "kill": "kill",
    "xid line": "xid",
    "xid dies": "xid",
    "xid hangs": "xid",
    "throttle": "slowed",
    "overload": "slowed",
    "memory": "squeezed",
}


@in_lab
@pytest.mark.parametrize("name", NAMES)
def test_an_injection_that_does_nothing_is_failed_and_never_active(name: str) -> None:
    with ground() as around, agent_of(around) as agent:
        order = every_order(around)[name]
        family_of(agent, FAMILY[name]).inject = nothing  # type: ignore[method-assign]
        seen: list[str] = []
        agent._step = seen.append
        with pytest.raises(Undone, match="FAILED, not active"):
            agent.inject(order)
        assert agent.fault(order.id).state is State.FAILED
        assert State.ACTIVE not in seen
        assert around.traces() == []


@in_lab
@pytest.mark.parametrize("name", [name for name in NAMES if name != "kill"])
def test_a_heal_that_does_nothing_is_tried_again_and_never_recovered(name: str) -> None:
    with ground() as around, agent_of(around) as agent:
        order = every_order(around)[name]
        fault = agent.inject(order)
        family = family_of(agent, FAMILY[name])
        heal, family.heal = family.heal, nothing  # type: ignore[method-assign]
        with pytest.raises(Undone, match="could not be taken back"):
            agent.recover(order.id)
        assert fault.state is State.RECOVERING
        assert fault.trouble
        family.heal = heal  # type: ignore[method-assign]
        eventually(lambda: fault.state is State.RECOVERED, within=10, describe="it is tried again, and recovered")
        assert around.traces() == []


@in_lab
def test_of_two_that_race_for_one_target_one_gets_it() -> None:
    with ground() as around, agent_of(around) as agent:
        orders = [every_order(around)[name] for name in ("pause", "throttle", "overload", "pause")]
        together = threading.Barrier(len(orders))

        def race(number: int) -> Fault | Refusal:
            together.wait()
            try:
                return agent.inject(orders[number])
            except Refusal as refusal:
                return refusal

        with ThreadPoolExecutor(len(orders)) as racing:
            ends = list(racing.map(race, range(len(orders))))
        assert sorted(type(end) is Fault for end in ends) == [False, False, False, True]
        assert all(type(end) in (Fault, Conflict) for end in ends)
        agent.recover_all()
        assert around.traces() == []


@in_lab
def test_faults_that_are_not_in_each_others_way_stand_side_by_side() -> None:
    with ground() as around, agent_of(around) as agent:
        orders = [every_order(around)[name] for name in ("throttle", "memory", "drop", "xid line")]
        assert {agent.inject(order).state for order in orders} == {State.ACTIVE}
        assert len(agent.recover_all()) == 4
        assert around.traces() == []


@in_lab
def test_the_same_order_from_two_at_once_is_done_once() -> None:
    with ground() as around, agent_of(around) as agent, ThreadPoolExecutor(2) as two:
        order = every_order(around)["pause"]
        one, other = two.map(agent.inject, [order, order])
        assert one is other
        assert len(one.evidence) == 1
        with pytest.raises(Conflict, match="another one already"):
            agent.inject(order.model_copy(update={"seconds": 7.0}))
        agent.recover(order.id)


@in_lab
@pytest.mark.parametrize("name", ["drop", "throttle", "memory", "xid hangs"])
def test_recovered_while_it_is_injected(name: str) -> None:
    with ground() as around, agent_of(around) as agent, ThreadPoolExecutor(1) as other:
        order = every_order(around)[name]
        begun, go_on = threading.Event(), threading.Event()

        def step(what: str) -> None:
            if what == "injected":
                begun.set()
                assert go_on.wait(20)

        agent._step = step
        injecting = other.submit(agent.inject, order)
        assert begun.wait(20)
        with ThreadPoolExecutor(1) as third:
            recovering = third.submit(agent.recover, order.id)
            go_on.set()
            assert recovering.result(20).state is State.RECOVERED
        assert injecting.result(20).over
        assert around.traces() == []


@in_lab
@pytest.mark.parametrize("name", ["pause", "throttle", "memory", "xid hangs"])
def test_a_victim_that_ends_under_its_fault_ends_the_fault(name: str) -> None:
    with ground() as around, agent_of(around) as agent:
        fault = agent.inject(every_order(around)[name])
        around.pods["vllm-worker-0"].end()
        eventually(lambda: fault.over, within=10, describe="the fault is over")
        assert (fault.state, fault.reason) == (State.EXPIRED, "its processes have ended")
        assert around.traces() == []
        assert agent.recover(fault.id).state is State.EXPIRED


@in_lab
def test_a_cut_stays_when_its_victim_is_started_again_and_goes_with_its_namespaces() -> None:
    with new_ground() as around, agent_of(around) as agent:
        fault = agent.inject(every_order(around)["drop"])
        around.pods["vllm-worker-0"].end()
        around.pods["vllm-worker-0"].start()
        assert len(around.kernel_traces()) == 2
        for pod in ("frontend-0", "vllm-worker-0"):
            around.pods[pod].end()
            subprocess.run(["ip", "netns", "del", around.pods.pop(pod).namespace.name], check=True)
        eventually(lambda: fault.over, within=10, describe="the fault is over")
        assert fault.state is State.EXPIRED
        around._net._namespaces = [name for name in around._net._namespaces if Path("/run/netns", name).exists()]
        around._net._links = [link for link in around._net._links if Path("/sys/class/net", link).exists()]


@in_lab
@pytest.mark.parametrize("name", ["pause", "throttle", "memory", "drop"])
def test_a_fault_that_somebody_took_away_is_failed(name: str) -> None:
    with ground() as around, agent_of(around) as agent:
        fault = agent.inject(every_order(around)[name])
        for keeper in marked(fault.mark):
            keeper.send(signal.SIGKILL)
        for pod in around.pods.values():
            Cut(pod.namespace, fault.mark, (), 0).heal()
        eventually(lambda: fault.over, within=10, describe="the fault is over")
        assert fault.state is State.FAILED
        assert fault.reason
        assert around.traces() == []


class JumpingClock(Clock):
    """A wall clock that anybody may set, and a machine that may be started anew."""

    def __init__(self) -> None:
        self.ahead = timedelta()
        self.boots = 0

    def wall(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def now(self) -> Moment:
        now = super().now()
        return Moment(f"{now.boot_id}-{self.boots}", now.nanoseconds)


@in_lab
@pytest.mark.parametrize("days", [-400, 400])
def test_deadlines_do_not_care_what_time_it_is(days: int) -> None:
    clock = JumpingClock()
    with ground() as around, agent_of(around, clock=clock) as agent:
        lasting = agent.inject(every_order(around)["pause"])
        short = agent.inject(every_order(around, seconds=1.5, worker="vllm-worker-1")["pause"])
        clock.ahead = timedelta(days=days)
        eventually(lambda: short.over, within=5, describe="the short one is over")
        assert (short.state, lasting.state) == (State.EXPIRED, State.ACTIVE)
        agent.recover(lasting.id)


@in_lab
def test_a_machine_that_was_started_anew_has_no_faults() -> None:
    clock = JumpingClock()
    with ground() as around:
        with agent_of(around, clock=clock) as agent:
            fault = agent.inject(every_order(around)["drop"])
        family_of(agent, "partition").heal(Work(fault, clock, lambda step: None))  # as the end of its kernel did
        clock.boots += 1
        with agent_of(around, clock=clock) as agent:
            known = agent.fault(fault.id)
            assert (known.state, known.reason) == (State.EXPIRED, "the machine was started anew")


@in_lab
@pytest.mark.parametrize("damage", ["overwritten", "cut short", "no database", "foreign"])
def test_a_damaged_journal_is_kept_aside_and_the_kernel_is_looked_through(damage: str) -> None:
    with ground() as around:
        state = around.folder / "agent"
        with agent_of(around) as agent:
            for name in ("drop", "pause", "memory"):
                agent.inject(every_order(around)[name])
        assert len(around.kernel_traces()) >= 5
        journal = state / "journal.sqlite"
        _damage(journal, damage)
        with agent_of(around) as agent:
            aside = state / "journal.sqlite.damaged-1"
            assert aside.exists()
            assert "was damaged" in agent.reports[0]
            assert str(aside) in agent.reports[0]
            assert len([report for report in agent.reports if "without a fault" in report]) == 3
            assert agent.faults() == []
            assert around.traces() == []
            fault = agent.inject(every_order(around)["pause"])
            assert agent.recover(fault.id).state is State.RECOVERED


def _damage(journal: Path, how: str) -> None:
    size = journal.stat().st_size
    match how:
        case "overwritten":
            with journal.open("r+b") as file:
                file.seek(size // 2)
                file.write(os.urandom(size - size // 2))
        case "cut short":
            os.truncate(journal, size // 2 + 100)
        case "no database":
            journal.write_bytes(os.urandom(size))
        case "foreign":
            with sqlite3.connect(journal) as database:
                database.execute("UPDATE faults SET entry = '{}'")
            database.close()


@in_lab
def test_on_a_full_disk_nothing_is_begun_and_everything_is_taken_back() -> None:
    with ground() as around:
        small = around.folder / "small"
        small.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "small", small], check=True)
        try:
            with agent_of(around, state=small) as agent:
                there = agent.inject(every_order(around)["pause"])
                filler = small / "filler"
                with filler.open("wb", buffering=0) as file:
                    try:
                        while file.write(bytes(4096)):
                            pass
                    except OSError:
                        pass
                refused = every_order(around, worker="vllm-worker-1")["throttle"]
                with pytest.raises(Unable, match=r"nothing was done, .* cannot be written"):
                    _until_refused(agent, refused)
                assert agent.recover(there.id).state is State.RECOVERED
                assert around.traces() == []
                filler.unlink()
                eventually(lambda: not agent._memory._unsaved, within=5, describe="the journal has caught up")
            with agent_of(around, state=small) as agent:
                assert agent.fault(there.id).state is State.RECOVERED
        finally:
            subprocess.run(["umount", small], check=True)


def _until_refused(agent: Agent, order: Order) -> None:
    """The journal has some room of its own."""
    for number in range(40):
        agent.inject(order.model_copy(update={"id": f"{order.id}-{number}"}))
        agent.recover(f"{order.id}-{number}")


@in_lab
def test_only_the_partitioned_pair_is_apart() -> None:
    with ground() as around, agent_of(around) as agent:
        agent.inject(every_order(around)["drop"])
        family = Partition(around.inventory)
        others = [("frontend-0", "vllm-worker-1"), ("nats-0", "vllm-worker-0"), ("vllm-worker-0", "vllm-worker-1")]
        assert [_connects(around, one, other) for one, other in others] == [True, True, True]
        assert not _connects(around, "frontend-0", "vllm-worker-0")
        assert not _connects(around, "vllm-worker-0", "frontend-0")
        assert family.leftovers("dfi_")
        agent.recover_all()


def _connects(around: Ground, one: str, other: str) -> bool:
    with socket_in(around.pods[one].namespace, socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(0.5)
        return not probe.connect_ex((around.pods[other].place.address, PORT))


@in_lab
def test_a_keeper_that_does_not_listen_is_killed() -> None:
    with ground() as around, agent_of(around) as agent:
        fault = agent.inject(every_order(around)["pause"])
        for keeper in marked(fault.mark):
            keeper.send(signal.SIGSTOP)
        keepers_asked, keepers._ENDS_WITHIN = keepers._ENDS_WITHIN, 0.2
        try:
            assert agent.recover(fault.id).state is State.RECOVERED
        finally:
            keepers._ENDS_WITHIN = keepers_asked
        assert around.traces() == []


@in_lab
def test_a_fault_of_processes_needs_a_process() -> None:
    with ground() as around, agent_of(around) as agent:
        around.pods["vllm-worker-0"].end()
        with pytest.raises(Conflict, match="vllm-worker-0 has no process now"):
            agent.inject(every_order(around)["pause"])
        assert agent.faults() == []
