"""One process of a deployment, kept by a thread of its own: started, watched, started again if its policy says so."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from support.errors import DeploymentError, FaultError, NotWithin
from support.spec import RestartPolicy
from support.vitals import Vitals, vitals
from support.waiting import eventually

FIRST_BACK_OFF = 1.0
LONGEST_BACK_OFF = 60.0
STOPPED_WITHIN = 10.0
STEADY = 60.0
"""Back-off before a restart doubles like a kubelet's, from the second end on, and starts anew after a steady minute; a
kubelet begins at 10 s."""


class SupervisedProcess:
    """A command that runs in a session of its own, its output appended to a file.

    The kernel ends it when the thread that keeps it ends (setpriv --pdeathsig), so it cannot outlive this process.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str],
        folder: Path,
        restart: RestartPolicy = "never",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.exits: list[int] = []
        """Status of each end so far, negative for a signal."""
        self._argv = ends_with_us(argv)
        self._log = log
        self._environment = dict(environment)
        self._folder = folder
        self._restart = restart
        self._clock = clock
        self._changed = threading.Condition()
        self._process: subprocess.Popen[bytes] | None = None
        self._starts = 0
        self._wanted = False
        self._kept = False
        self._hurry = False
        self._thread: threading.Thread | None = None
        self._failure: OSError | None = None

    def run_next(self, argv: Sequence[str], environment: Mapping[str, str]) -> None:
        """What its next start runs."""
        with self._changed:
            self._argv = ends_with_us(argv)
            self._environment = dict(environment)

    def follow(self, restart: RestartPolicy) -> None:
        """Start it again, or not, by this policy from now on."""
        with self._changed:
            self._restart = restart

    def await_change(self, seen: Callable[[], object]) -> None:
        """Return when that is true; it is looked at whenever the process has started or ended."""
        with self._changed:
            self._changed.wait_for(seen)

    def start(self) -> None:
        """Start it, also before its back-off is over, and return when there is, or was, a process.

        Does nothing to one that runs. DeploymentError when it cannot be executed.
        """
        with self._changed:
            if self._process is not None:
                return
            self._wanted, self._failure, starts = True, None, self._starts
            if self._kept:
                self._hurry = True
                self._changed.notify_all()
            else:
                self._kept = True
                self._thread = threading.Thread(target=self._keep, name=f"keeper of {self.name}", daemon=True)
                self._thread.start()
            self._changed.wait_for(lambda: self._starts > starts or self._failure)
        if self._failure:
            raise DeploymentError(f"{self.name} could not be started: {self._failure}")

    def stop(self) -> None:
        """End it for good, without a grace period. Safe to call twice."""
        with self._changed:
            self._wanted = False
            self._signal(signal.SIGKILL)
            self._changed.notify_all()
        if self._thread:
            self._thread.join(STOPPED_WITHIN)
            if self._thread.is_alive():
                raise DeploymentError(f"{self.name} was killed but is still there after {STOPPED_WITHIN:g} s")

    @property
    def running(self) -> bool:
        return self._process is not None

    @property
    def pid(self) -> int:
        process = self._process
        if process is None:
            raise DeploymentError(f"{self.name} is not running: it ended with {self.exits or 'nothing'}")
        return process.pid

    def kill(self, *, for_good: bool = False) -> None:
        """SIGKILL, and seen gone. FaultError when it was not running or is still there after 5 s.

        for_good: its policy does not start it again.
        """
        with self._changed:
            if self._process is None:
                raise FaultError(f"{self.name} cannot be killed: it is not running")
            if for_good:
                self._wanted = False
            ends = len(self.exits)
            self._signal(signal.SIGKILL)
            if not self._changed.wait_for(lambda: len(self.exits) > ends, timeout=5):
                raise FaultError(f"{self.name} was killed but is still there after 5 s")
            if self.exits[ends] != -signal.SIGKILL:
                raise FaultError(f"{self.name} ended by itself (with {self.exits[ends]}) before it could be killed")

    def terminate(self, *, for_good: bool = False) -> None:
        """SIGTERM, and back at once. FaultError when it was not running.

        for_good: its policy does not start it again.
        """
        with self._changed:
            if self._process is None:
                raise FaultError(f"{self.name} cannot be terminated: it is not running")
            if for_good:
                self._wanted = False
            self._signal(signal.SIGTERM)

    def interrupt(self) -> None:
        """SIGINT, and back at once. FaultError when it was not running."""
        self.send(signal.SIGINT)

    def send(self, number: signal.Signals) -> None:
        """Send it to all of its processes, and back at once. FaultError when it was not running."""
        with self._changed:
            if self._process is None:
                raise FaultError(f"{self.name} cannot be sent {number.name}: it is not running")
            self._signal(number)

    def pause(self) -> None:
        """SIGSTOP, and seen stopped in every thread. FaultError otherwise."""
        self._freeze(signal.SIGSTOP, stopped=True)

    def resume(self) -> None:
        """SIGCONT, and seen running. FaultError otherwise."""
        self._freeze(signal.SIGCONT, stopped=False)

    @property
    def frozen(self) -> bool:
        process = self._process
        return process is not None and "T" in _states(process.pid)

    def vitals(self) -> Vitals:
        """What it and what it has started hold now. DeploymentError when it is not running."""
        return vitals(self.pid)

    def ended(self, *, within: float) -> int:
        """The status of its next end, or its last one if it has already ended for good; NotWithin otherwise."""
        eventually(lambda: not self.running, within=within, describe=f"{self.name} ends")
        return self.exits[-1]

    def _freeze(self, number: signal.Signals, *, stopped: bool) -> None:
        pid = self.pid if self.running else None
        if pid is None:
            raise FaultError(f"{self.name} cannot be paused or resumed: it is not running")
        self._signal(number)
        wanted = "frozen" if stopped else "running"
        try:
            eventually(
                lambda: bool(states := _states(pid)) and (states == {"T"} if stopped else not states & {"T", "Z"}),
                within=5,
                describe=f"{self.name} is {wanted}",
                interval=0.001,
            )
        except NotWithin as seen:
            raise FaultError(str(seen)) from seen

    def _signal(self, number: int) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):  # it has just ended by itself; its keeper will say so
                os.killpg(self._process.pid, number)

    def _keep(self) -> None:
        """Runs in the keeper's thread: the process's parent must live as long as it."""
        back_off = 0.0
        while process := self._spawned():
            started = self._clock()
            status = process.wait()
            with suppress(ProcessLookupError):  # as a container ends with its first process
                os.killpg(process.pid, signal.SIGKILL)
            with self._changed:
                self.exits.append(status)
                self._process = None
                self._changed.notify_all()
                if self._clock() - started > STEADY:
                    back_off = 0.0
                if self._restart == "never":
                    self._wanted = False
                self._changed.wait_for(lambda: not self._wanted or self._hurry, timeout=back_off)
                self._hurry = False
                back_off = min(max(FIRST_BACK_OFF, 2 * back_off), LONGEST_BACK_OFF)

    def _spawned(self) -> subprocess.Popen[bytes] | None:
        """A new process; None when it is wanted no more or cannot be executed, and the keeper ends."""
        with self._changed:
            try:
                if self._wanted:
                    with self._log.open("ab") as log:
                        self._process = self._spawn(log.fileno())
                    self._starts += 1
                    return self._process
            except OSError as failure:
                self._failure = failure
            finally:
                self._kept = self._process is not None
                self._changed.notify_all()
            return None

    def _spawn(self, log: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=self._environment,
            cwd=self._folder,
            start_new_session=True,
        )


def ends_with_us(argv: Sequence[str]) -> list[str]:
    """argv as a command that the kernel kills when the thread that starts it ends, also before it has begun."""
    begun = '[ "$PPID" = "$0" ] && exec "$@"'  # else we ended before the kernel was told
    return ["setpriv", "--pdeathsig", "KILL", "sh", "-c", begun, str(os.getpid()), *argv]


def _states(pid: int) -> set[str]:
    """State letter of each thread of a process (proc(5)); empty when it is gone."""
    states = set()
    gone = FileNotFoundError, ProcessLookupError
    with suppress(*gone):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(*gone):
                states.add((thread / "stat").read_text().rpartition(")")[2].split()[0])
    return states
