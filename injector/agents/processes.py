"""Processes, known by number and start time, and the sessions in which they stand.

A keeper imports this, so it imports next to nothing.

A component's processes are those of a session: its first process leads it, as a container's first process does.
"""

from __future__ import annotations

import os
import resource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from signal import pidfd_send_signal
else:  # without the enums of `signal`
    from _signal import pidfd_send_signal

STOPPED = "T"


class Process:
    """One process; a later one with the same number is another one."""

    __slots__ = ("pid", "start")

    def __init__(self, pid: int, start: int) -> None:
        """start: field 22 of /proc/PID/stat, clock ticks after the machine's start."""
        self.pid, self.start = pid, start

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Process) and (self.pid, self.start) == (other.pid, other.start)

    def __hash__(self) -> int:
        return hash((self.pid, self.start))

    def __lt__(self, other: Process) -> bool:
        return (self.pid, self.start) < (other.pid, other.start)

    def __repr__(self) -> str:
        return f"Process({self.pid}, {self.start})"

    @property
    def alive(self) -> bool:
        """A zombie is not."""
        seen = stat_of(self.pid)
        return seen is not None and seen.start == self.start and seen.state not in "ZX"

    def send(self, number: int) -> bool:
        """Send it a signal; False when it has gone. Never hits another process of the same number."""
        try:
            handle = os.pidfd_open(self.pid)
        except OSError:
            return False
        try:
            seen = stat_of(self.pid)
            if seen is None or seen.start != self.start:
                return False
            pidfd_send_signal(handle, number)
        except ProcessLookupError:
            return False
        finally:
            os.close(handle)
        return True

    def states(self) -> set[str]:
        """State letter of each of its threads (proc(5)); empty when it is gone."""
        return {stat.state for stat in _threads(self.pid)} if self.alive else set()

    @property
    def memory(self) -> int:
        """Bytes of its address space; 0 when it has gone."""
        try:
            return int(_read(f"/proc/{self.pid}/statm").split()[0]) * os.sysconf("SC_PAGE_SIZE")
        except OSError:
            return 0

    def memory_limit(self, soft: int | None = None) -> int:
        """Its soft limit of address space in bytes (-1: none), after setting it if one is given.

        ProcessLookupError when it has gone, PermissionError when it is not ours to limit.
        """
        now = resource.prlimit(self.pid, resource.RLIMIT_AS)
        if soft is not None:
            now = (soft, now[1])
            resource.prlimit(self.pid, resource.RLIMIT_AS, now)
        return now[0]


class Stat:
    """What is looked at of /proc/PID/stat (proc(5))."""

    __slots__ = ("parent", "session", "start", "state")

    def __init__(self, text: str) -> None:
        fields = text.rpartition(")")[2].split()
        self.state, self.parent, self.session, self.start = fields[0], int(fields[1]), int(fields[3]), int(fields[19])


def _read(file: str) -> str:
    with open(file, errors="replace") as opened:  # noqa: PTH123  # pathlib takes a keeper as long as all the rest
        return opened.read()


def stat_of(pid: int, thread: str = "stat") -> Stat | None:
    """Of the process that has this number now; None when there is none."""
    try:
        return Stat(_read(f"/proc/{pid}/{thread}"))
    except OSError:
        return None


def _threads(pid: int) -> list[Stat]:
    try:
        numbers = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208
    except OSError:
        return []
    stats = (stat_of(pid, f"task/{number}/stat") for number in numbers)
    return [stat for stat in stats if stat is not None]


def pids() -> list[int]:
    """Of all that there are."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208


def process(pid: int) -> Process | None:
    """The one that has this number now."""
    stat = stat_of(pid)
    return None if stat is None else Process(pid, stat.start)


def members(leader: Process) -> list[Process]:
    """Every living process of the session that it leads, or led."""
    now = stat_of(leader.pid)
    if now is not None and now.start != leader.start:
        return []  # a session's number is taken as long as it has a member: that session has ended
    stats = ((pid, stat_of(pid)) for pid in pids())
    return sorted(
        Process(pid, stat.start)
        for pid, stat in stats
        if stat is not None and stat.session == leader.pid and stat.state not in "ZX"
    )


def leaders_in(namespace: Path) -> list[Process]:
    """Leaders of sessions in a network namespace. OSError when there is no such namespace.

    What merely looks into it (nsenter) stands in a session that is led from elsewhere.
    """
    inode = namespace.stat().st_ino
    found = []
    for pid in pids():
        stat = stat_of(pid)
        if stat is not None and stat.session == pid and stat.state not in "ZX" and network_of(pid) == inode:
            found.append(Process(pid, stat.start))
    return sorted(found)


def network_of(pid: int) -> int | None:
    """Inode of the network namespace that a process is in; None when it has gone."""
    try:
        return os.stat(f"/proc/{pid}/ns/net").st_ino  # noqa: PTH116
    except OSError:
        return None


def marked(mark: str, *, begins: bool = False) -> list[Process]:
    """Processes of our user that have this word in their command line, or (begins) one that begins so."""
    found = []
    for pid in pids():
        words = command_line(pid) if _owner(pid) == os.geteuid() else []  # others may call themselves what they like
        here = any(word.startswith(mark) for word in words) if begins else mark in words
        if here and (one := process(pid)) and one.alive:
            found.append(one)
    return sorted(found)


def _owner(pid: int) -> int | None:
    try:
        return os.stat(f"/proc/{pid}").st_uid  # noqa: PTH116
    except OSError:
        return None


def command_line(pid: int) -> list[str]:
    try:
        return _read(f"/proc/{pid}/cmdline").split("\0")
    except OSError:
        return []
