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


def vitals(pid: int) -> Vitals:
    """Of a process and all below it. DeploymentError when it is gone."""
    rss = fds = threads = 0
    for one in _tree(pid):
        with suppress(FileNotFoundError, ProcessLookupError):  # a child that has just ended
            folder = Path("/proc") / str(one)
            rss += int((folder / "statm").read_text().split()[1]) * _PAGE
            fds += sum(1 for _ in (folder / "fd").iterdir())
            threads += sum(1 for _ in (folder / "task").iterdir())
    if not threads:
        raise DeploymentError(f"process {pid} is gone: nobody can say what it holds")
    return Vitals(rss, fds, threads)


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(FileNotFoundError, ProcessLookupError):
            for child in thread.read_text().split():
                yield from _tree(int(child))
