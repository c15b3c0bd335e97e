"""The steps of the set-up: each is done once, recorded last, and redone when what it was made from has changed."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.errors import SpecsError, Unavailable
from support.setup import DYNAMO_ENVIRONMENTS, LOCKS, LOG, MAIN, REPORT, ROOT, STATE
from support.setup.installer import DISK_FULL

DEFAULT_DYNAMO = "1.4.2"


@dataclass(frozen=True, kw_only=True)
class Step:
    """One thing that the set-up brings about."""

    name: str
    done: Callable[[], bool]
    """Asked at every call of `./specs`, so it takes a millisecond."""
    work: Callable[[], None]
    """Does it, or raises Unavailable. Can be repeated, also after it was killed at any moment."""
    check: Callable[[], None] = lambda: None
    """Raises Unavailable, before any step is begun, when the user has to act first."""


def environment_steps() -> list[Step]:
    """What the command line itself needs: Debian's packages and the project's environment."""
    return [_packages(), _main()]


def default_steps() -> list[Step]:
    """Everything: also Dynamo in its default version, and the generator of the report."""
    return [*environment_steps(), dynamo(DEFAULT_DYNAMO), _report()]


def dynamo(version: str) -> Step:
    """Dynamo of that version in an environment of its own; from a lock file if there is one."""
    lock = LOCKS / f"dynamo-{version}.txt"
    folder = DYNAMO_ENVIRONMENTS / version

    def work() -> None:
        from support.setup import environments

        environments.make_dynamo(folder, version=version, lock=lock if lock.exists() else None)

    made_from = [lock] if lock.exists() else []
    return _recorded(f"Dynamo {version}", folder / ".stamp", [version, str(folder), *made_from], work)


def prepare(steps: Sequence[Step]) -> None:
    """Do those of the steps that are not done, one set-up at a time. Unavailable, in one sentence, when one fails."""
    if all(step.done() for step in steps):
        return
    try:
        with _alone():
            todo = [step for step in steps if not step.done()]
            for step in todo:
                step.check()
            if todo:
                LOG.unlink(missing_ok=True)
                names = ", ".join(step.name for step in todo)
                _say(f"specs: setting up {names} (details in {LOG.relative_to(ROOT)})\n")
            for step in todo:
                _do(step)
    except OSError as failure:
        if failure.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Unavailable(DISK_FULL) from failure
        where = failure.filename or STATE
        raise Unavailable(f"the set-up cannot write {where} ({failure.strerror}): allow it") from failure


def _do(step: Step) -> None:
    start = time.monotonic()
    _say(f"specs: {step.name} ... ")
    try:
        step.work()
    except (SpecsError, OSError):
        _say("failed\n")
        raise
    _say(f"done in {time.monotonic() - start:.0f} s\n")


def _packages() -> Step:
    from support.setup import programs

    return Step(
        name="Debian packages",
        done=lambda: not programs.missing_packages(),
        check=lambda: programs.check_installable(programs.missing_packages()),
        work=lambda: programs.install(programs.missing_packages()),
    )


def _main() -> Step:
    build, main = LOCKS / "build.txt", LOCKS / "main.txt"

    def work() -> None:
        from support.setup import environments

        environments.make_main(build=build, main=main)

    return _recorded("the project's environment", MAIN / ".stamp", [str(MAIN), build, main], work)


def _report() -> Step:
    made_from = [ROOT / "support" / "report" / name for name in ("package.json", "package-lock.json")]

    def work() -> None:
        from support.setup import environments

        environments.make_report(*made_from)

    return _recorded("the generator of the report", REPORT / ".stamp", list(made_from), work)


def _recorded(name: str, stamp: Path, inputs: Sequence[str | Path], work: Callable[[], None]) -> Step:
    """A step that is done when its stamp holds the digest of its inputs: texts, and contents of files."""

    def digest() -> str:
        contents = [one.read_bytes() if isinstance(one, Path) else one.encode() for one in inputs]
        return hashlib.sha256(b"\0".join(contents)).hexdigest()

    def done() -> bool:
        try:
            return stamp.read_text() == digest()
        except FileNotFoundError:
            return False

    def work_and_record() -> None:
        stamp.unlink(missing_ok=True)
        work()
        fresh = stamp.with_suffix(".new")
        fresh.write_text(digest())
        fresh.replace(stamp)

    return Step(name=name, done=done, work=work_and_record)


@contextmanager
def _alone() -> Iterator[None]:
    """Wait until no other set-up runs. Installers inherit the lock, so one whose set-up was killed still holds it."""
    STATE.mkdir(exist_ok=True)
    lock = os.open(STATE / "setup.lock", os.O_RDWR | os.O_CREAT, 0o644)
    os.set_inheritable(lock, True)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("specs: another set-up is running; waiting for it\n")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _say(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
