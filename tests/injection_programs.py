"""Agent and service as programs of a lab, on its loopback, over a test's ground."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx

from injector.places import AGENT_PORT
from support.process import ends_with_us
from support.settings import ROOT
from support.waiting import eventually
from tests.injected import Ground

SERVICE = "http://127.0.0.1:8080"


class Program:
    """One of the two, in a process of its own; its journal stays when it is killed."""

    def __init__(self, module: str, ground: Ground, *options: str) -> None:
        self._command = [sys.executable, "-m", module, "--state", str(ground.folder), *options]
        self._log = ground.folder / f"{module}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                ends_with_us(self._command), cwd=ROOT, stdout=log, stderr=log, start_new_session=True
            )

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    def kill(self) -> None:
        assert self._process
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        if self._process and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(timeout=20)

    def said(self) -> str:
        return self._log.read_text()


class Programs:
    """Both, and a client of the service."""

    def __init__(self, ground: Ground, *options: str, agent: Sequence[str] = ()) -> None:
        """options: of the service. agent: those of its agent."""
        self.agent = Program("tests.injection_agent", ground, *agent)
        self.service = Program("injector.api_service.main", ground, *options)
        self.http = httpx.Client(base_url=SERVICE, timeout=60, trust_env=False, verify=False)

    def wait_until_ready(self, headers: dict[str, str] | None = None) -> None:
        def ready() -> bool:
            try:
                answer = self.http.get("/ready", headers=headers)
                assert answer.is_success, f"{answer.text}; {self.agent.said()[-800:]}"
                return True
            except httpx.HTTPError as failure:
                raise OSError(f"{failure!r}; {self.service.said()[-500:]}; {self.agent.said()[-500:]}") from failure

        eventually(ready, within=30, describe="the service and its agent are ready")

    def wait_until_agent_listens(self) -> None:
        def listens() -> bool:
            with socket.create_connection(("127.0.0.1", AGENT_PORT), timeout=1):
                return True

        eventually(listens, within=30, describe="the agent listens")

    def post(self, path: str, body: Any = None) -> httpx.Response:
        return self.http.post(f"/api/v1/faults{path}", json=body)

    def faults(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.http.get("/api/v1/faults").json()
        return found


@contextmanager
def programs(ground: Ground, *options: str, agent: Sequence[str] = (), ready: bool = True) -> Iterator[Programs]:
    """Started, ready (or not waited for), and stopped at the end."""
    made = Programs(ground, *options, agent=agent)
    with ExitStack() as closing:
        closing.callback(made.http.close)
        for program in (made.agent, made.service):
            closing.callback(program.stop)
            program.start()
        if ready:
            made.wait_until_ready()
        yield made


def folder_of(arguments: list[str], option: str = "--state") -> Path:
    """Its value."""
    return Path(arguments[arguments.index(option) + 1])
