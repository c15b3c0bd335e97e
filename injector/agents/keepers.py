"""Keepers as the agent sees them: started, found and ended by the mark in their command line."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from injector.agents import keeper
from injector.agents.plans import Cycle, Plan, Strain
from injector.agents.processes import Process, command_line, marked
from injector.errors import Conflict
from injector.inventory import Victim

_ENDS_WITHIN, _GONE_WITHIN = 2.0, 10.0
"""Seconds that a keeper may take when it is asked to end, and when it is killed."""
_PROGRAM = keeper.__file__
HOST_CGROUPS = "DYNAMO_FAULTS_CGROUPS"
"""Variable with the folder where the node's cgroups are, for an agent in a container. All that is in a container's
cgroup is killed when the container ends; so keepers leave it."""


def start(mark: str, deadline: int, plan: Plan) -> None:
    """Start one, and return when it holds. OSError when it does not start."""
    command = [
        *_outside(),
        sys.executable,
        "-I",
        "-S",
        _PROGRAM,
        mark,
        str(deadline),
        keeper.written(plan),
        *_cgroups(),
    ]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, cwd="/", start_new_session=True
    ) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
    if said != b"ready\n":
        raise OSError(said.decode(errors="replace").strip() or f"the keeper of {mark} did not start")


def _outside() -> list[str]:
    """A process may leave its cgroup for one that its cgroup namespace shows; the node's shows all."""
    return ["nsenter", "--cgroup=/proc/1/ns/cgroup", "--"] if HOST_CGROUPS in os.environ else []


def _cgroups() -> list[str]:
    """The node's outermost ones: of all, or (cgroup v1) of each hierarchy."""
    if HOST_CGROUPS not in os.environ:
        return []
    folder = Path(os.environ[HOST_CGROUPS])
    of_all = folder / "cgroup.procs"
    return [str(one) for one in ([of_all] if of_all.exists() else sorted(folder.glob("*/cgroup.procs")))]


def alive(mark: str) -> bool:
    return bool(marked(mark))


def leaders(victims: Sequence[Victim]) -> list[tuple[int, int]]:
    """Of the sessions of these pods, as a plan has them. Conflict when one of them has no process."""
    found: list[tuple[int, int]] = []
    for victim in victims:
        if not victim.leaders:
            raise Conflict(f"{victim.name} has no process now: wait until it runs")
        found += [(one.pid, one.start) for one in victim.leaders]
    return found


def holds(
    leaders: list[tuple[int, int]],
    *,
    frozen: bool = False,
    cycle: Cycle | None = None,
    strain: Strain | None = None,
) -> Plan:
    """A plan without limits."""
    return {"leaders": leaders, "frozen": frozen, "cycle": cycle, "limits": {}, "limited": [], "strain": strain}


def end(mark: str) -> None:
    """Have those of that fault end it and themselves. Returns when they have gone.

    They are asked first: from one that is just killed on, and until we have done its work, nobody keeps the deadline.
    """
    for one in marked(mark):
        if one.send(signal.SIGTERM) and not _gone(one, _ENDS_WITHIN) and one.send(signal.SIGKILL):
            _gone(one, _GONE_WITHIN)


def plan_of(mark: str) -> Plan | None:
    """What a keeper holds, as its command line says; None when there is none."""
    for one in marked(mark):
        words = command_line(one.pid)
        if mark in words:
            return keeper.read(words[words.index(mark) + 2])
    return None


def marks(prefix: str) -> set[str]:
    """Of all keepers whose mark begins so."""
    return {word for one in marked(prefix, begins=True) for word in command_line(one.pid) if word.startswith(prefix)}


def _gone(process: Process, within: float) -> bool:
    with suppress(OSError):  # it has gone
        handle = os.pidfd_open(process.pid)
        try:
            poll = select.poll()
            poll.register(handle, select.POLLIN)
            return not process.alive or bool(poll.poll(within * 1000))
        finally:
            os.close(handle)
    return True
