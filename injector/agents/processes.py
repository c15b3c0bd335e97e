"""Processes, known by number and start time, and the sessions in which they stand. Standard library only.

A component's processes are those of a session: its first process leads it, as a container's first process does.
"""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

STOPPED = "T"


@dataclass(frozen=True, order=True)
class Process:
    """One process; a later one with the same number is another one."""

    pid: int
    start: int
    """Field 22 of /proc/PID/stat: clock ticks after the machine's start."""

    @property
    def alive(self) -> bool:
        """A zombie is not."""
        seen = _stat(self.pid)
        return seen is not None and seen.start == self.start and seen.state not in "ZX"

    def send(self, number: int) -> bool:
        """Send it a signal; False when it has gone. Never hits another process of the same number."""
        try:
            handle = os.pidfd_open(self.pid)
        except OSError:
            return False
        try:
            seen = _stat(self.pid)
            if seen is None or seen.start != self.start:
                return False
            signal.pidfd_send_signal(handle, number)
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
            return int(Path(f"/proc/{self.pid}/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
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


@dataclass(frozen=True)
class _Stat:
    state: str
    session: int
    start: int


def _stat(pid: int, thread: str = "stat") -> _Stat | None:
    try:
        text = Path(f"/proc/{pid}/{thread}").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return _Stat(state=fields[0], session=int(fields[3]), start=int(fields[19]))


def _threads(pid: int) -> Iterator[_Stat]:
    try:
        numbers = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208  # a process may have many threads
    except OSError:
        return
    for number in numbers:
        if (stat := _stat(pid, f"task/{number}/stat")) is not None:
            yield stat


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208


def process(pid: int) -> Process | None:
    """The one that has this number now."""
    stat = _stat(pid)
    return None if stat is None else Process(pid, stat.start)


def members(leader: Process) -> list[Process]:
    """Every living process of the session that it leads, or led."""
    now = _stat(leader.pid)
    if now is not None and now.start != leader.start:
        return []  # a session's number is taken as long as it has a member: that session has ended
    stats = ((pid, _stat(pid)) for pid in _pids())
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
    for pid in _pids():
        stat = _stat(pid)
        if stat is not None and stat.session == pid and stat.state not in "ZX" and network_of(pid) == inode:
            found.append(Process(pid, stat.start))
    return sorted(found)


def network_of(pid: int) -> int | None:
    """Inode of the network namespace that a process is in; None when it has gone."""
    try:
        return Path(f"/proc/{pid}/ns/net").stat().st_ino
    except OSError:
        return None


def marked(mark: str, *, begins: bool = False) -> list[Process]:
    """Processes that have this word in their command line, or (begins) one that begins so."""
    found = []
    for pid in _pids():
        words = command_line(pid)
        here = any(word.startswith(mark) for word in words) if begins else mark in words
        if here and (one := process(pid)) and one.alive:
            found.append(one)
    return sorted(found)


def command_line(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []
