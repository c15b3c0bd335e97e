"""The keeper: a small process that holds one fault of processes and ends it at its deadline, agent or no agent.

Run as a program, with the standard library alone, by the agent: `keeper.py MARK DEADLINE PLAN`. MARK names the fault,
so that it is found by looking at command lines; DEADLINE is nanoseconds of CLOCK_BOOTTIME; PLAN is JSON (see `Plan`).
It says "ready" when it holds, outlives whoever started it, and ends the fault before it ends itself, also on SIGTERM.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TypedDict

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from injector.agents.processes import Process, members

GRACE = 0.3
"""Seconds that the agent has to end a fault itself before its keeper does."""


class Cycle(TypedDict):
    period: float
    """Seconds."""
    share: float
    """Of each period in which the processes are frozen, from its beginning."""


class Plan(TypedDict):
    leaders: list[tuple[int, int]]
    """Of the sessions that it is about: number and start time."""
    frozen: bool
    """They are to run again at the end."""
    cycle: Cycle | None
    limits: dict[str, int]
    """Soft limits of address space to put back, by number of process; "" for those that came later."""
    limited: list[int]
    """The limits that the fault has set: whoever has another one has it from somebody else."""


def undo(plan: Plan) -> None:
    """What a keeper does at the end. Safe to do twice."""
    for process in of(plan):
        if plan["limits"]:
            give_back_limit(process, plan)
        if plan["frozen"] or plan["cycle"]:
            process.send(signal.SIGCONT)


def of(plan: Plan) -> list[Process]:
    """The processes that it is about, as many as there are now."""
    return [each for pid, start in plan["leaders"] for each in members(Process(pid, start))]


def give_back_limit(process: Process, plan: Plan) -> None:
    with suppress(ProcessLookupError):
        if process.memory_limit() in plan["limited"]:
            process.memory_limit(plan["limits"].get(str(process.pid), plan["limits"][""]))


def _freeze(processes: list[Process], number: signal.Signals) -> None:
    for process in processes:
        process.send(number)


def _hold(deadline: int, plan: Plan) -> None:
    """Until the deadline; a cycle begins with its frozen part."""
    cycle = plan["cycle"]
    if cycle is None:
        time.sleep(max(0.0, _left(deadline) + GRACE))
        return
    while (left := _left(deadline)) > 0:
        processes = of(plan)
        if not processes:
            return
        _freeze(processes, signal.SIGSTOP)
        time.sleep(min(left, cycle["period"] * cycle["share"]))
        _freeze(processes, signal.SIGCONT)
        time.sleep(max(0.0, min(_left(deadline), cycle["period"] * (1 - cycle["share"]))))


def _left(deadline: int) -> float:
    return (deadline - time.clock_gettime_ns(time.CLOCK_BOOTTIME)) / 1e9


def main(arguments: list[str]) -> None:
    _, deadline, told = arguments
    plan: Plan = json.loads(told)
    if os.fork():
        os._exit(0)  # nobody's child: whoever starts it need not wait for its end
    # From here on: it must not die of a terminal that closes, or of an agent that has gone.
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    with suppress(OSError):
        os.write(1, b"ready\n")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    try:
        _hold(int(deadline), plan)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        undo(plan)


if __name__ == "__main__":
    main(sys.argv[1:])
