"""What a process and its children hold, by /proc (proc(5))."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from support.errors import DeploymentError

_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Vitals:
    """What a component holds now, over all of its processes."""

    rss: int
    """Bytes of memory."""
    fds: int
    """Open file descriptors."""
    threads: int
    cpu: float = 0.0
    """Seconds that its threads ran, added up since each began; 0 where no kernel counts it (CONFIG_SCHED_INFO;
    sched-stats.rst of Linux)."""
    cpu_wait: float = 0.0
    """Seconds that its threads were ready and had no processor, as above."""


def vitals(pid: int) -> Vitals:
    """Of a process and all below it. DeploymentError when it is gone."""
    rss = fds = threads = ran = waited = 0
    for one in _tree(pid):
        with suppress(FileNotFoundError, ProcessLookupError):  # a child that has just ended
            folder = Path("/proc") / str(one)
            rss += int((folder / "statm").read_text().split()[1]) * _PAGE
            fds += sum(1 for _ in (folder / "fd").iterdir())
            tasks = list((folder / "task").iterdir())
            threads += len(tasks)
            for task in tasks:
                ran_here, waited_here = _scheduled(task)
                ran += ran_here
                waited += waited_here
    if not threads:
        raise DeploymentError(f"process {pid} is gone: nobody can say what it holds")
    return Vitals(rss, fds, threads, ran / 1e9, waited / 1e9)


def _scheduled(task: Path) -> tuple[int, int]:
    """Nanoseconds that a thread has run, and has waited for a processor."""
    with suppress(FileNotFoundError, ProcessLookupError):
        ran, waited, _ = map(int, (task / "schedstat").read_text().split())
        return ran, waited
    return 0, 0


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(FileNotFoundError, ProcessLookupError):
            for child in thread.read_text().split():
                yield from _tree(int(child))
