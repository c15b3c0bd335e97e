"""Code of tests that runs in a lab, and what of it is left on the machine.

A test function decorated with `in_lab` runs in a process inside a lab, one for all such tests of a module, started
before the first and ended after the last. Its arguments and answer are pickled. What the tests share lives in the
module's own cached functions, there; what must be taken away when the module is done is given to `at_end`.
"""

from __future__ import annotations

import functools
import importlib
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import pytest

from support.local import lab
from support.local.target import LocalTarget
from support.settings import ROOT, Settings
from support.waiting import eventually

P = ParamSpec("P")
T = TypeVar("T")
GONE_WITHIN = 1.0
_LONGEST = 120.0  # seconds of one test
_inside: LabProcess | None = None
_at_end = ExitStack()

NO_LAB = lab.unavailable()
needs_lab = pytest.mark.skipif(NO_LAB is not None, reason=f"needs namespaces: {NO_LAB}")


def in_lab(test: Callable[P, T]) -> Callable[P, T]:
    """Run this test function in the module's lab."""

    @functools.wraps(test)
    def called(*args: P.args, **kwargs: P.kwargs) -> T:
        if NO_LAB:
            pytest.skip(f"needs namespaces: {NO_LAB}")
        assert _inside, "the module has no fixture that calls lab_process()"
        answer: T = _inside.call(test, *args, **kwargs)
        return answer

    return called


def at_end(undo: Callable[[], object]) -> None:
    """Inside: call this when the module's tests are done."""
    _at_end.callback(undo)


@contextmanager
def lab_process(folder: Path) -> Iterator[None]:
    """A lab for the functions decorated with `in_lab`; temporary files go to `folder`. Nothing of it may be left."""
    global _inside
    if NO_LAB:
        yield
        return
    _inside = LabProcess(folder)
    try:
        yield
    finally:
        ended, _inside = _inside, None
        ended.close()
    expect_nothing_left(folder)


class LabProcess:
    """A Python in a lab that calls what it is told."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.in_lab"],
            cwd=ROOT,
            env=os.environ | {"TMPDIR": str(folder)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdin
        assert self._process.stdout
        self._calls = Connection(os.dup(self._process.stdin.fileno()), readable=False)
        self._answers = Connection(os.dup(self._process.stdout.fileno()), writable=False)

    def call(self, function: Callable[..., T], *args: object, **kwargs: object) -> T:
        """Its answer. AssertionError with the traceback of there when it fails."""
        self._calls.send((function.__module__, function.__qualname__, args, kwargs))
        if not self._answers.poll(_LONGEST):
            raise AssertionError(f"{function.__qualname__} has not ended within {_LONGEST:g} s")
        answer, failure = self._answers.recv()
        if failure:
            raise AssertionError(f"in the lab:\n{failure}")
        value: T = answer
        return value

    def close(self) -> None:
        self._calls.close()
        with self._process:
            assert self._process.stdin
            self._process.stdin.close()
            status = self._process.wait(timeout=30)
        self._answers.close()
        assert status == 0, f"the lab ended with {status}"


def processes_of(folder: Path) -> list[int]:
    """Processes that have this folder in their command line or environment, as all of a run with its own TMPDIR do."""
    mark = os.fsencode(folder)
    return [pid for pid in _pids() if pid != os.getpid() and mark in _words(pid)]


def expect_nothing_left(folder: Path) -> None:
    """No process of that folder, and no named namespace of a deployment on the machine, within a second."""

    def gone() -> bool:
        left = processes_of(folder)
        assert not left, f"left over: {[_words(pid)[:200] for pid in left]}"
        assert not list(Path("/run/netns").glob("*.d[0-9]*")), "named network namespaces are left over"
        return True

    eventually(gone, within=GONE_WITHIN, describe="nothing is left")


def kill_and_expect_nothing_left(process: subprocess.Popen[bytes], folder: Path) -> None:
    """SIGKILL it, the outermost process of a lab."""
    assert processes_of(folder), "there is nothing yet"
    process.send_signal(signal.SIGKILL)
    process.wait()
    expect_nothing_left(folder)


def _pids() -> Iterator[int]:
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _words(pid: int) -> bytes:
    """Command line and environment; empty when it has ended (a zombie has neither) or is somebody else's."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return b""


def _serve() -> None:
    """Inside: call what comes on standard input, answer on what was standard output."""
    calls = Connection(os.dup(0), writable=False)
    answers = Connection(os.dup(1), readable=False)
    os.dup2(2, 1)
    with _at_end:
        while True:
            try:
                module, name, args, kwargs = calls.recv()
            except EOFError:
                return
            answers.send(_called(module, name, args, kwargs))


def _called(module: str, name: str, args: tuple[object, ...], kwargs: Mapping[str, object]) -> tuple[Any, str | None]:
    function = getattr(importlib.import_module(module), name)
    function = getattr(function, "__wrapped__", function)
    try:
        return function(*args, **kwargs), None
    except BaseException:  # noqa: BLE001  # pytest's outcomes are no Exceptions; all of it is told outside
        return None, traceback.format_exc()


if __name__ == "__main__":
    if lab.inside():
        # The module as the tests import it: it has the state that they share with us.
        importlib.import_module("tests.in_lab")._serve()
    else:
        lab.enter([sys.executable, "-m", "tests.in_lab"])


@functools.cache
def target() -> LocalTarget:
    """Inside: the one that the tests of a module share; a deployment left as good as new serves the next test."""
    made = LocalTarget(Settings(), logs=Path(os.environ["TMPDIR"]) / "logs")
    at_end(made.close)
    return made
