"""A machine with one GPU that is not there: fakes of NVIDIA's libraries, of this project's own making.

They are real shared objects, so that what is tested is how the real ones would be called, from every process.
"""

from __future__ import annotations

import functools
import mmap
import os
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from injector.agents import cuda, nvml

COMPILER = shutil.which("cc")
UUID = "GPU-fa4e0000-1111-2222-3333-444444444444"
ADDRESS = "0000:65:00"
HIGHEST, IDLE = 1980, 210
"""MHz."""
TOTAL = 80 << 30
TAKES, REFUSES, IGNORES = range(3)
"""What it does when it is told to."""
_HEAD = struct.Struct("8iQ")
_USER = struct.Struct("iiQ")
_SIZE = _HEAD.size + 16 * _USER.size
_FIELDS = ("highest", "idle", "locked", "lock_does", "reset_does", "memory_does", "burn_does", "unused", "total")


class FakeGpu:
    """Its state, as all processes see it."""

    def __init__(self, file: Path) -> None:
        self.file = file
        with file.open("r+b") as opened:
            self._state = mmap.mmap(opened.fileno(), _SIZE)
        self.tell(highest=HIGHEST, idle=IDLE, total=TOTAL)

    def tell(self, **fields: int) -> None:
        """Let these fields be so."""
        self._state[: _HEAD.size] = _HEAD.pack(*(self._told() | fields).values())

    def is_used_by(self, pid: int, *, bytes_used: int = 4 << 30) -> None:
        """That process computes on it, as a worker would."""
        self._state[_HEAD.size : _HEAD.size + _USER.size] = _USER.pack(pid, 0, bytes_used)

    @property
    def locked(self) -> int:
        """MHz; 0 while it is not."""
        return self._told()["locked"]

    def _told(self) -> dict[str, int]:
        return dict(zip(_FIELDS, _HEAD.unpack(self._state[: _HEAD.size]), strict=True))


@functools.cache
def library() -> Path:
    """Both libraries in one, built once."""
    assert COMPILER, "whoever asks has looked"
    built = Path(tempfile.mkdtemp()) / "libfakenvidia.so"
    source = Path(__file__).with_name("nvidia.c")
    subprocess.run([COMPILER, "-shared", "-fPIC", "-Wall", "-Werror", "-O1", "-o", str(built), str(source)], check=True)
    return built


@contextmanager
def fake_gpu() -> Iterator[FakeGpu]:
    """This process, and those that it starts, have it."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "gpu"
        file.write_bytes(bytes(_SIZE))
        names = {nvml.NAMED: str(library()), cuda.NAMED: str(library()), "FAKE_GPU": str(file)}
        with mock.patch.dict(os.environ, names):
            yield FakeGpu(file)
