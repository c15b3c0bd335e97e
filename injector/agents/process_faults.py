"""Processes that are killed or paused: every one of a pod."""

from __future__ import annotations

import signal
from typing import Any

from injector.agents import keeper, keepers
from injector.agents.family import Family, NoEffect, StillThere, Work
from injector.agents.plans import Plan
from injector.agents.processes import STOPPED, Process
from injector.agents.waiting import awaited
from injector.errors import Invalid
from injector.fault import Fault, Order
from injector.inventory import Node, Victim
from injector.words import Kind, ProcessFault

_SETTLES_WITHIN = 0.5
SEEN_WITHIN = 2.0
"""Seconds in which a signal must have had its effect."""


def victims_of(node: Node, order: Order) -> list[Victim]:
    return [node.victim(name, order.identities.get(name)) for name in order.pods]


class Kill(Family):
    """SIGKILL. It happens once, and whoever keeps the pod starts it again."""

    name = "kill"

    def __init__(self, node: Node) -> None:
        self._node = node

    def answers(self, order: Order) -> bool:
        return order.kind == Kind.PROCESS and order.fault_type == ProcessFault.KILL

    def available(self, order: Order) -> str | None:
        refuse_parameters(order)
        return None

    def plan(self, order: Order) -> dict[str, Any]:
        plan = keepers.holds(keepers.leaders(victims_of(self._node, order)))
        return {"plan": plan, "processes": [(one.pid, one.start) for one in keeper.of(plan)]}

    def irreversible(self, order: Order) -> str | None:
        return "a killed process does not come back; whoever keeps the pod starts another one"

    def inject(self, work: Work) -> None:
        kill_all(work)

    def verify(self, work: Work) -> str:
        return seen_killed(work)

    def heal(self, work: Work) -> None:
        """There is nothing to take back."""

    def gone(self, work: Work) -> str:
        return "nothing of it holds anything"


class KeptFamily(Family):
    """What a keeper holds, and takes back at the deadline whatever becomes of the agent."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def heal(self, work: Work) -> None:
        let_go(work)

    def victim_gone(self, work: Work) -> str | None:
        return None if keeper.of(plan_of(work)) else "its processes have ended"

    def leftovers(self, prefix: str) -> set[str]:
        return keepers.marks(prefix)

    def sweep(self, mark: str) -> None:
        sweep(mark)


class Pause(KeptFamily):
    """SIGSTOP until it is taken back, by SIGCONT. A keeper resumes at the deadline whatever becomes of the agent."""

    name = "pause"

    def answers(self, order: Order) -> bool:
        return order.kind == Kind.PROCESS and order.fault_type == ProcessFault.PAUSE

    def available(self, order: Order) -> str | None:
        refuse_parameters(order)
        return None

    def claims(self, order: Order) -> frozenset[str]:
        return running_of(order)

    def plan(self, order: Order) -> dict[str, Any]:
        return {"plan": keepers.holds(keepers.leaders(victims_of(self._node, order)), frozen=True)}

    def inject(self, work: Work) -> None:
        hold(work)
        stop_all(work)

    def verify(self, work: Work) -> str:
        return seen_stopped(work)

    def gone(self, work: Work) -> str:
        return seen_running(work)

    def lost(self, work: Work) -> str | None:
        return keeper_lost(work) or runs_again(work)


def running_of(order: Order) -> frozenset[str]:
    """The claim of whoever stops processes and lets them run again."""
    return frozenset(f"running of {name}" for name in order.pods)


def refuse_parameters(order: Order, *known: str) -> None:
    """Invalid for a parameter that is none of `known`."""
    for name in order.parameters:
        if name not in known:
            takes = f"it takes {', '.join(known)}" if known else "it takes none"
            raise Invalid(f"{order.fault_type} has no parameter {name!r}: {takes}", field=f"parameters.{name}")


def plan_of(work: Work) -> Plan:
    plan: Plan = work.undo["plan"]
    return plan


def hold(work: Work) -> None:
    """Its keeper is there."""
    keepers.start(work.mark, deadline(work.fault), plan_of(work))
    work.step("kept")


def deadline(fault: Fault) -> int:
    return fault.deadline.nanoseconds


def stop_all(work: Work) -> None:
    """Again until nobody is new: who is stopped starts no other."""
    stopped: set[Process] = set()
    while new := set(keeper.of(plan_of(work))) - stopped:
        for process in sorted(new):
            process.send(signal.SIGSTOP)
        stopped |= new
        work.step("stopped")


def seen_stopped(work: Work) -> str:
    missing = awaited(lambda: not_stopped(work), within=SEEN_WITHIN)
    if missing or not keeper.of(plan_of(work)):
        raise NoEffect(missing or "its processes have ended")
    return f"every thread of {_words(keeper.of(plan_of(work)))} is stopped"


def not_stopped(work: Work) -> str | None:
    states = {process.pid: process.states() for process in keeper.of(plan_of(work))}
    running = [pid for pid, seen in states.items() if seen and seen != {STOPPED}]
    return f"process {running[0]} runs" if running else None


def runs_again(work: Work) -> str | None:
    """And not just to its end, as what is killed while it is stopped does."""
    return awaited(lambda: not_stopped(work), within=_SETTLES_WITHIN)


def keeper_lost(work: Work) -> str | None:
    return None if keepers.alive(work.mark) else "its keeper has gone"


def let_go(work: Work) -> None:
    """Its keeper is gone, and what that would have done is done."""
    keepers.end(work.mark)
    work.step("unkept")
    keeper.undo(plan_of(work))
    work.step("let go")


def seen_running(work: Work) -> str:
    def lacking() -> str | None:
        if keepers.alive(work.mark):
            return "its keeper is still there"
        frozen = [one.pid for one in keeper.of(plan_of(work)) if STOPPED in one.states()]
        return f"process {frozen[0]} is still stopped" if frozen else None

    if missing := awaited(lacking, within=SEEN_WITHIN):
        raise StillThere(missing)
    there = keeper.of(plan_of(work))
    return f"no thread of {_words(there)} is stopped" if there else "its processes have ended"


def kill_all(work: Work) -> None:
    for process in keeper.of(plan_of(work)):
        process.send(signal.SIGKILL)
    work.step("killed")


def seen_killed(work: Work) -> str:
    processes = [Process(pid, start) for pid, start in work.undo["processes"]]

    def lacking() -> str | None:
        alive = [one.pid for one in processes if one.alive]
        return f"process {alive[0]} is still there" if alive else None

    if missing := awaited(lacking, within=SEEN_WITHIN):
        raise NoEffect(missing)
    return f"{_words(processes)} gone"


def sweep(mark: str) -> None:
    """End a keeper that no fault tells of, and do what it would have done."""
    plan = keepers.plan_of(mark)
    keepers.end(mark)
    if plan:
        keeper.undo(plan)


def _words(processes: list[Process]) -> str:
    numbers = ", ".join(str(one.pid) for one in processes)
    return f"process {numbers}" if len(processes) == 1 else f"processes {numbers}"
