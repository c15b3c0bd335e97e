"""A component as both targets have it: a process that somebody keeps, at a place where it is asked over HTTP."""

from __future__ import annotations

import re
import signal
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import httpx

from support.commands import METRICS, UP, Command
from support.deployment import Component
from support.errors import DeploymentError
from support.metrics import Metrics, Sample
from support.spec import Role
from support.vitals import Vitals
from support.waiting import eventually

UP_WITHIN = 30.0
"""Seconds that a component may take to be up by its own account."""
_asking = httpx.Client(timeout=2, trust_env=False, verify=False, limits=httpx.Limits(max_keepalive_connections=0))
"""For questions of our own, over plain HTTP: no certificates to load, no connection that outlives its answer."""
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_OWN_ID = re.compile(r'^dynamo_component_\w+\{.*worker_id="([0-9a-f]+)"', re.MULTILINE)
"""In the metrics of frontends and workers: their own id in discovery, in hexadecimal (1.3.1 to 1.4.2)."""
_LAST_LINES = 15


class Process(Protocol):
    """A process and who keeps it: `support.process.SupervisedProcess`, here or in a container."""

    def run_next(self, argv: Sequence[str], environment: Mapping[str, str]) -> None: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def kill(self, *, for_good: bool = False) -> None: ...
    def terminate(self, *, for_good: bool = False) -> None: ...
    def interrupt(self) -> None: ...
    def send(self, number: signal.Signals) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def vitals(self) -> Vitals: ...
    @property
    def exits(self) -> list[int]:
        """Status of each end so far, negative for a signal."""

    @property
    def running(self) -> bool: ...
    @property
    def frozen(self) -> bool: ...
    @property
    def pid(self) -> int: ...


class KeptComponent(Component):
    """One process of the deployment, with the verbs that every target has."""

    version = ""

    def __init__(
        self,
        name: str,
        role: Role,
        *,
        process: Process,
        command: Callable[[str], Command],
        version: str,
        log: Path,
    ) -> None:
        """command: what it runs, by the version of Dynamo. log: a file here that gets all it writes."""
        self.name, self.role = name, role
        self.process = process
        self.log = log
        self._log_from = 0
        self._command = command
        self._instance: tuple[tuple[int, int], int | None] = ((0, 0), None)
        self.version = version

    @abstractmethod
    def at(self, port: int) -> str:
        """address:port by which this process reaches a standard port of it."""

    def run_as(self, version: str) -> None:
        """Its next start is of that version. Unavailable when that is not installed."""
        told = self._command(version)
        self.process.run_next(told.argv, told.environment)
        self.version = version

    def start(self) -> None:
        self.process.start()

    def kill(self, *, for_good: bool = False) -> None:
        self.process.kill(for_good=for_good)

    def terminate(self) -> None:
        self.process.terminate()

    def interrupt(self) -> None:
        self.process.interrupt()

    def fail_engine(self) -> None:
        self.process.send(signal.SIGHUP)

    def retire(self) -> None:
        """Ask it to end, and not to be started again by its policy."""
        self.process.terminate(for_good=True)

    def pause(self) -> None:
        self.process.pause()

    def resume(self) -> None:
        self.process.resume()

    def slow_down(self) -> None:
        self.process.send(signal.SIGUSR1)

    def speed_up(self) -> None:
        self.process.send(signal.SIGUSR2)

    def restart(self, *, dynamo: str | None = None) -> None:
        if dynamo is not None:
            self.run_as(dynamo)  # first: a policy that starts it again must not start the old one
        if self.running:
            self.kill()
        if not self.running:
            self.start()
        self.wait_until_up()

    def stop(self) -> None:
        """End it for good, when the deployment is taken away."""
        self.process.stop()

    @property
    def running(self) -> bool:
        return self.process.running

    @property
    def frozen(self) -> bool:
        return self.process.frozen

    @property
    def ends(self) -> list[int]:
        return list(self.process.exits)

    @property
    def pid(self) -> int:
        return self.process.pid

    def vitals(self) -> Vitals:
        return self.process.vitals()

    def casualty(self) -> str | None:
        """What makes it another one than was started: down, frozen, or started again; None when nothing does."""
        ends = ", ".join(map(str, self.process.exits))
        if not self.running:
            return f"ended (with {ends})"
        if self.frozen:
            return "is frozen"
        return f"ended (with {ends}) and was started again" if ends else None

    def logs(self) -> str:
        with self.log.open("rb") as file:
            file.seek(self._log_from)
            return _COLOUR.sub("", file.read().decode(errors="replace"))

    def forget_logs(self) -> None:
        """A new scenario begins: what was written so far is not its own."""
        self._log_from = self.log.stat().st_size if self.log.exists() else 0

    @property
    def metrics_url(self) -> str:
        port, path = METRICS[self.role]
        return f"http://{self.at(port)}{path}"

    def metrics(self) -> Metrics:
        port, path = METRICS[self.role]
        answer = self.get(port, path)
        if self.role == "nats":
            numbers = {key: value for key, value in answer.json().items() if isinstance(value, int | float)}
            return Metrics([Sample(f"nats_{key}", {}, float(value)) for key, value in numbers.items()], answer.text)
        return Metrics.parse(answer.text)

    def get(self, port: int, path: str) -> httpx.Response:
        """Ask it over HTTP. ConnectionError when it does not answer within 2 s or answers with an error."""
        try:
            answer = _asking.get(f"http://{self.at(port)}{path}")
            return answer.raise_for_status()
        except httpx.HTTPError as failure:
            raise ConnectionError(f"{self.name} does not answer {path}: {failure!r}") from failure

    def instance_id(self) -> int | None:
        """Its id in discovery, and of its lease, of its present process; None where it tells none. ConnectionError."""
        of, known = self._instance
        now = self.pid, len(self.ends)  # another container may give the same number to another process
        if known is None or of != now:
            port, path = METRICS[self.role]
            told = _OWN_ID.search(self.get(port, path).text)
            self._instance = now, int(told[1], 16) if told else None
        return self._instance[1]

    def wait_until_up(self) -> None:
        """Return when it says that it is up. DeploymentError at once when it has ended, with its last lines."""
        port, path = UP[self.role]

        def is_up() -> bool:
            self.insist_on_running()
            return self.get(port, path).is_success

        eventually(is_up, within=UP_WITHIN, describe=f"{self.name} is up", error=DeploymentError, interval=0.02)

    def insist_on_running(self) -> None:
        """DeploymentError with its last log lines when it has ended."""
        if not self.running:
            last = "\n".join(f"    {line}" for line in self.logs().splitlines()[-_LAST_LINES:])
            ends = ", ".join(map(str, self.process.exits)) or "nothing"
            raise DeploymentError(f"{self.name} ended (with {ends}) and is not running; its last lines were\n{last}")
