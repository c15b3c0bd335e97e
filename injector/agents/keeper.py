"""The keeper: a small process that holds one fault of processes and ends it at its deadline, agent or no agent.

Run as a program by the agent: `keeper.py MARK DEADLINE PLAN [CGROUP...]`. MARK names the fault, so that it is found by
looking at command lines; DEADLINE is nanoseconds of CLOCK_BOOTTIME; PLAN is a plan as `written` has it; CGROUPs are
files that it puts itself into, away from the container that it was started in. It says "ready" when it holds, outlives
whoever started it, and ends the fault before it ends itself, also on SIGTERM.

A fault waits for its keeper to start. So it imports next to nothing, and starts in a third of the time.
"""

from __future__ import annotations

import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from signal import SIG_IGN, SIGCONT, SIGHUP, SIGINT, SIGPIPE, SIGSTOP, SIGTERM, signal

    from injector.agents.plans import Plan, Strain
else:  # without the enums of `signal`
    from _signal import SIG_IGN, SIGCONT, SIGHUP, SIGINT, SIGPIPE, SIGSTOP, SIGTERM, signal
if __name__ == "__main__":
    sys.path.insert(0, __file__.removesuffix("/injector/agents/keeper.py"))

from injector.agents.processes import Process, members  # noqa: E402  # its place is known only now

GRACE = 0.3
"""Seconds that the agent has to end a fault itself before its keeper does."""


def written(plan: Plan) -> str:
    """In one word of a command line, for `read`."""
    cycle, strain = plan["cycle"], plan["strain"]
    parts = (
        ",".join(f"{pid}:{start}" for pid, start in plan["leaders"]),
        "1" if plan["frozen"] else "",
        f"{cycle['period']}:{cycle['share']}" if cycle else "",
        ",".join(f"{pid}:{limit}" for pid, limit in plan["limits"].items()),
        ",".join(map(str, plan["limited"])),
        ",".join((strain["gpu"], strain["address"], strain["does"], str(strain["amount"]))) if strain else "",
    )
    return "/".join(parts)


def read(text: str) -> Plan:
    """What `written` wrote. ValueError for anything else."""
    leaders, frozen, cycle, limits, limited, strain = text.split("/")
    period, _, share = cycle.partition(":")
    return {
        "leaders": [(int(pid), int(start)) for pid, start in _pairs(leaders)],
        "frozen": frozen == "1",
        "cycle": {"period": float(period), "share": float(share)} if cycle else None,
        "limits": {pid: int(limit) for pid, limit in _pairs(limits)},
        "limited": [int(limit) for limit in limited.split(",") if limit],
        "strain": _strain(*strain.split(",")) if strain else None,
    }


def _strain(gpu: str, address: str, does: str, amount: str) -> Strain:
    if does not in ("clock", "memory", "burn"):
        raise ValueError(f"nothing is known that would {does} a GPU")
    return {"gpu": gpu, "address": address, "does": does, "amount": int(amount)}  # type: ignore[typeddict-item]  # `does` is one of those


def _pairs(text: str) -> list[list[str]]:
    return [pair.split(":") for pair in text.split(",") if pair]


def undo(plan: Plan) -> None:
    """What a keeper does at the end, apart from ending. Safe to do twice. OSError when a GPU refuses."""
    for process in of(plan):
        if plan["limits"]:
            give_back_limit(process, plan)
        if plan["frozen"] or plan["cycle"]:
            process.send(SIGCONT)
    strain = plan["strain"]
    if strain and strain["does"] == "clock":
        from injector.agents.nvml import opened  # takes longer than all the rest

        if nvml := opened():
            nvml.gpu(strain["gpu"]).reset_clock()


def of(plan: Plan) -> list[Process]:
    """The processes that it is about, as many as there are now."""
    return [each for pid, start in plan["leaders"] for each in members(Process(pid, start))]


def give_back_limit(process: Process, plan: Plan) -> None:
    try:
        if process.memory_limit() in plan["limited"]:
            process.memory_limit(plan["limits"].get(str(process.pid), plan["limits"][""]))
    except ProcessLookupError:
        return


def _send(processes: list[Process], number: int) -> None:
    for process in processes:
        process.send(number)


def _hold(deadline: int, plan: Plan) -> None:
    """Until the deadline, and a little longer: the agent comes first. A cycle begins with its frozen part.

    Who belongs to the plan is looked up while they stand still: it takes milliseconds, in which they would run on.
    """
    cycle = plan["cycle"]
    processes = of(plan) if cycle else []
    while cycle and processes and (left := _left(deadline)) > 0:
        frozen_until = time.monotonic() + min(left, cycle["period"] * cycle["share"])
        _send(processes, SIGSTOP)
        now = of(plan)
        _send([each for each in now if each not in processes], SIGSTOP)
        time.sleep(max(0.0, frozen_until - time.monotonic()))
        _send(now, SIGCONT)
        processes = now
        time.sleep(max(0.0, min(_left(deadline), cycle["period"] * (1 - cycle["share"]))))
    if processes or not cycle:
        time.sleep(max(0.0, _left(deadline) + GRACE))


def _strained(strain: Strain | None) -> object:
    """Hold memory of a GPU, or use its time, for as long as what is returned is kept. OSError when it refuses."""
    if not strain or strain["does"] == "clock":
        return None
    from injector.agents.cuda import Context

    if strain["does"] == "memory":
        context = Context(strain["address"])
        context.hold(strain["amount"])
        return context
    burning = [Context(strain["address"]) for _ in range(strain["amount"])]
    for each in burning:
        each.burn()
    return burning


def _left(deadline: int) -> float:
    return (deadline - time.clock_gettime_ns(time.CLOCK_BOOTTIME)) / 1e9


def _say_ready() -> None:
    try:
        os.write(1, b"ready\n")
    except BrokenPipeError:
        return  # whoever started it has gone, and it holds all the same


def _move_to(cgroups: list[str]) -> None:
    for file in cgroups:
        with open(file, "w") as procs:  # noqa: PTH123  # pathlib takes a keeper as long as all the rest
            procs.write("0")


def main(arguments: list[str]) -> None:
    _, deadline, told, *cgroups = arguments
    plan = read(told)
    if os.fork():
        os._exit(0)  # nobody's child: whoever starts it need not wait for its end
    # From here on: it must not die of a terminal that closes, or of an agent that has gone.
    for number in (SIGHUP, SIGINT, SIGPIPE):
        signal(number, SIG_IGN)
    signal(SIGTERM, lambda *_: sys.exit())
    _move_to(cgroups)
    try:
        held = _strained(plan["strain"])
    except OSError as refusal:
        os.write(1, f"{refusal}\n".encode())
        sys.exit(1)
    _say_ready()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2) if cgroups else (1,):  # a container's streams end with it, and it waits for their end
        os.dup2(nowhere, stream)
    try:
        _hold(int(deadline), plan)
    finally:
        signal(SIGTERM, SIG_IGN)
        undo(plan)
        del held


if __name__ == "__main__":
    main(sys.argv[1:])
