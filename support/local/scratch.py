"""Folders outside the tree that one run writes to, and taking away those of runs that were killed.

What is not a kernel object does not vanish with the lab: data of etcd and NATS, the model folder. It all lives below
one folder per run, which the run holds locked; a folder that nobody holds is left over.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import IO

from support.errors import Unavailable

PREFIX = "dynamo-fault-specs-"
_LOCK = "held"
_ROOM = 200
"""Megabytes: an etcd member lays out 64 for its first log file."""


def insist_on_room(folder: Path, *, megabytes: int, remedy: str) -> None:
    """Unavailable when so much cannot be written below the folder: better now than in the middle of a scenario."""
    free = shutil.disk_usage(folder).free // 1_000_000
    if free < megabytes:
        raise Unavailable(f"cannot write to {folder} ({free} MB are free, {megabytes} are needed): {remedy}")


class Scratch:
    """A folder of this run, deleted by `close`, or by the next run's `sweep` if this one is killed."""

    def __init__(self) -> None:
        try:
            insist_on_room(Path(tempfile.gettempdir()), megabytes=_ROOM, remedy="make room or set TMPDIR")
            # Locked before it has the name that a sweep looks for.
            unnamed = Path(tempfile.mkdtemp(prefix=f".{PREFIX}"))
            self._held: IO[str] = (unnamed / _LOCK).open("w")
            fcntl.flock(self._held, fcntl.LOCK_EX)
            self._held.write(str(os.getpid()))
            self._held.flush()
            self.path = unnamed.rename(unnamed.with_name(unnamed.name.removeprefix(".")))
        except OSError as failure:
            where = tempfile.gettempdir()
            raise Unavailable(f"cannot write to {where} ({failure.strerror}): make room or set TMPDIR") from failure

    def close(self) -> None:
        """Delete it. Safe to call twice."""
        _delete(self.path)
        self._held.close()

    @staticmethod
    def held_by(folder: Path) -> int | None:
        """The process that holds such a folder, by its number where it was started; None when nobody does."""
        return None if _left_over(folder) else int((folder / _LOCK).read_text())


def sweep() -> list[Path]:
    """Delete the folders of runs that are no more, of this user; returns them."""
    return [
        folder for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*") if _left_over(folder) and _deleted(folder)
    ]


def _left_over(folder: Path) -> bool:
    try:
        if folder.stat().st_uid != os.geteuid():
            return False
        with (folder / _LOCK).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, FileNotFoundError, NotADirectoryError):
        return False  # Held; or gone meanwhile; or not ours: someone's copy of this project may bear the name.
    return True


def _deleted(folder: Path) -> bool:
    _delete(folder)
    return not folder.exists()


def _delete(folder: Path) -> None:
    """The lock last, so that a folder which is half deleted can still be told from somebody else's."""
    folders = [one for one in folder.glob("*") if one.is_dir() and not one.is_symlink()]
    for one in folders:
        shutil.rmtree(one, ignore_errors=True)
    if not any(one.exists() for one in folders):
        shutil.rmtree(folder, ignore_errors=True)
