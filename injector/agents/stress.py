"""GPU stress without a GPU: what a strained GPU does to its worker is done to the worker's processes themselves.

THROTTLE, COMPUTE_OVERLOAD and OVERHEAT leave the worker a share of the time: it is frozen for the rest of every period.

    fault             like                                    period    frozen: LOW  MEDIUM  HIGH
    THROTTLE          lower clocks                            100 ms         25 %    50 %   75 %
    COMPUTE_OVERLOAD  1, 2 or 4 others share the GPU          120 ms         50 %    67 %   80 %
    OVERHEAT          bursts of thermal slow-down            1000 ms         30 %    60 %   90 %

MEMORY_PRESSURE limits the address space: a process that asks for more than 1 GiB (LOW), 256 MiB (MEDIUM) or 16 MiB
(HIGH) beyond what it has is refused, as an allocation on a full GPU is.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from injector.agents import keeper, keepers
from injector.agents.family import NoEffect, StillThere, Work
from injector.agents.plans import Cycle
from injector.agents.process_faults import (
    KeptFamily,
    hold,
    keeper_lost,
    plan_of,
    refuse_parameters,
    running_of,
    seen_running,
    victims_of,
)
from injector.agents.processes import STOPPED
from injector.agents.waiting import awaited
from injector.errors import Invalid
from injector.fault import Order
from injector.words import GpuFault, Kind, Severity

CYCLES: dict[GpuFault, tuple[float, dict[Severity, float]]] = {
    GpuFault.THROTTLE: (0.1, {Severity.LOW: 0.25, Severity.MEDIUM: 0.5, Severity.HIGH: 0.75}),
    GpuFault.COMPUTE_OVERLOAD: (0.12, {Severity.LOW: 0.5, Severity.MEDIUM: 0.67, Severity.HIGH: 0.8}),
    GpuFault.OVERHEAT: (1.0, {Severity.LOW: 0.3, Severity.MEDIUM: 0.6, Severity.HIGH: 0.9}),
}
"""Seconds of a period, and the share of it in which the worker is frozen."""
MIB = 1 << 20
HEADROOM = {Severity.LOW: 1024 * MIB, Severity.MEDIUM: 256 * MIB, Severity.HIGH: 16 * MIB}
"""Bytes that a process may still have beyond what it has."""
_SEEN_WITHIN = 5.0
_LIMIT = re.compile(r"^Max address space\s+(\S+)", re.MULTILINE)


class Slowed(KeptFamily):
    """Frozen for a share of every period, by the fault's keeper."""

    name = "slowed"
    simulated = True

    def answers(self, order: Order) -> bool:
        return order.kind == Kind.GPU and order.fault_type in CYCLES

    def available(self, order: Order) -> str | None:
        severity_of(order)
        return None

    def claims(self, order: Order) -> frozenset[str]:
        return running_of(order)

    def plan(self, order: Order) -> dict[str, Any]:
        period, shares = CYCLES[GpuFault(order.fault_type)]
        cycle: Cycle = {"period": period, "share": shares[severity_of(order)]}
        return {"plan": keepers.holds(keepers.leaders(victims_of(self._node, order)), cycle=cycle)}

    def inject(self, work: Work) -> None:
        hold(work)

    def verify(self, work: Work) -> str:
        """Each of its processes is seen stopped, and seen not stopped after that."""
        plan = plan_of(work)
        stopped: set[int] = set()
        resumed: set[int] = set()
        looks = 0

        def lacking() -> str | None:
            nonlocal looks
            looks += 1
            there = keeper.of(plan)
            for one in there:
                states = one.states()
                if states == {STOPPED}:
                    stopped.add(one.pid)
                elif states and STOPPED not in states and one.pid in stopped:
                    resumed.add(one.pid)
            never = [one.pid for one in there if one.pid not in resumed]
            return f"process {never[0]} was not seen stopped and running again" if never or not there else None

        if missing := awaited(lacking, within=_SEEN_WITHIN):
            raise NoEffect(missing)
        cycle = plan["cycle"]
        assert cycle
        return (
            f"{len(resumed)} processes were seen stopped and running again in {looks} looks: they are frozen for"
            f" {cycle['share']:.0%} of every {cycle['period'] * 1000:g} ms"
        )

    def gone(self, work: Work) -> str:
        return seen_running(work)

    def lost(self, work: Work) -> str | None:
        return keeper_lost(work)


class Squeezed(KeptFamily):
    """A limit of address space a little above what each process has."""

    name = "squeezed"
    simulated = True

    def answers(self, order: Order) -> bool:
        return order.kind == Kind.GPU and order.fault_type == GpuFault.MEMORY_PRESSURE

    def available(self, order: Order) -> str | None:
        severity_of(order)
        try:
            for victim in victims_of(self._node, order):
                for leader in victim.leaders:
                    leader.memory_limit()
        except PermissionError:
            return "this agent may not limit processes of another user: give it the capability SYS_RESOURCE"
        except ProcessLookupError:
            return None  # it has just ended
        return None

    def claims(self, order: Order) -> frozenset[str]:
        return frozenset(f"memory of {name}" for name in order.pods)

    def plan(self, order: Order) -> dict[str, Any]:
        plan = keepers.holds(keepers.leaders(victims_of(self._node, order)))
        wanted: dict[str, int] = {}
        for one in keeper.of(plan):
            with suppress(ProcessLookupError):
                before, limit = one.memory_limit(), one.memory + HEADROOM[severity_of(order)]
                wanted[str(one.pid)] = limit if before < 0 else min(before, limit)
                plan["limits"][str(one.pid)] = before
        plan["limits"][""] = next(iter(plan["limits"].values()), -1)
        plan["limited"] = sorted(set(wanted.values()))
        return {"plan": plan, "wanted": wanted}

    def inject(self, work: Work) -> None:
        hold(work)
        wanted = work.undo["wanted"]
        for one in keeper.of(plan_of(work)):
            with suppress(ProcessLookupError):
                one.memory_limit(wanted.get(str(one.pid), min(plan_of(work)["limited"])))
                work.step("limited")

    def verify(self, work: Work) -> str:
        there = keeper.of(plan_of(work))
        if (missing := _unlimited(work)) or not there:
            raise NoEffect(missing or "its processes have ended")
        headroom = {one.pid: _told_limit(one.pid) - one.memory for one in there}
        return f"the kernel refuses more than this many MiB: { {pid: left // MIB for pid, left in headroom.items()} }"

    def gone(self, work: Work) -> str:
        there = keeper.of(plan_of(work))
        limited = [one.pid for one in there if _told_limit(one.pid) in plan_of(work)["limited"]]
        before = plan_of(work)["limits"]
        kept = [pid for pid in limited if before.get(str(pid), before[""]) != _told_limit(pid)]
        if kept or keepers.alive(work.mark):
            raise StillThere(f"process {kept[0]} is still limited" if kept else "its keeper is still there")
        return f"{len(there)} processes have the limits that they had"

    def lost(self, work: Work) -> str | None:
        return keeper_lost(work) or _unlimited(work)


def _unlimited(work: Work) -> str | None:
    limited = plan_of(work)["limited"]
    free = [one.pid for one in keeper.of(plan_of(work)) if one.alive and _told_limit(one.pid) not in limited]
    return f"process {free[0]} is not limited" if free else None


def _told_limit(pid: int) -> int:
    """Bytes, as the kernel tells them to everybody; -1 for none, and when it has gone."""
    try:
        found = _LIMIT.search(Path(f"/proc/{pid}/limits").read_text())
    except OSError:
        return -1
    return int(found[1]) if found and found[1].isdigit() else -1


def severity_of(order: Order) -> Severity:
    """Invalid for another than there is, and for other parameters."""
    refuse_parameters(order, "severity", "gpu_index")
    try:
        return Severity(order.parameters.get("severity", Severity.MEDIUM))
    except ValueError:
        raise Invalid("severity must be LOW, MEDIUM or HIGH", field="severity") from None
