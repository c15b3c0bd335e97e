"""Process 1 of a component's container: keeps the component's process, and does to it what it is told over a socket.

A container whose first process ends is started again by the kubelet, with a back-off that grows, and its first process
gets no signal from inside that it does not handle, SIGKILL included (pid_namespaces(7)). So the component is a child:
it can be killed for sure, stays down when its policy says so, and is started again at once when told. Its output is
the container's. What asks is exec'd into the container and speaks for it (`relay`), so only who may exec may ask.

    python3 -m support.kubernetes_target.keeper     in an image made by the Containerfile beside this
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socketserver
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from support.errors import SpecsError, UsageError
from support.kubernetes_target.in_image import COMMANDS, DATA, SOCKET
from support.model import write_flawed_model
from support.process import SupervisedProcess

OUTPUT = Path("/dev/stdout")
ASKS_AGAIN = 0.1
"""Seconds between looks for a command, and for what a component needs before its first start."""


class Keeper:
    """Of one component."""

    def __init__(self, name: str) -> None:
        self.over = threading.Event()
        """The container is to end."""
        self._name = name
        self.process = SupervisedProcess(name, [], log=OUTPUT, environment={}, folder=DATA)
        self._does: dict[str, Callable[..., object]] = {
            "start": self.process.start,
            "stop": self.process.stop,
            "kill": self.process.kill,
            "terminate": self.process.terminate,
            "send": lambda number: self.process.send(signal.Signals(number)),
            "pause": self.process.pause,
            "resume": self.process.resume,
            "run_next": self.process.run_next,
            "vitals": lambda: asdict(self.process.vitals()),
            "erase": lambda: shutil.rmtree(DATA / name),
            "flaw_model": lambda flaw: str(write_flawed_model(DATA / f"model-of-{name}", flaw).cache),
        }

    def keep(self) -> None:
        """Start it when there is a command, and what it needs answers; return when this container is to end."""
        told = self._told()
        if told and self._needs_answer(told["needs"], patience=told["patience"]):
            self.process.follow(told["restart"])
            self.process.run_next(told["argv"], told["environment"])
            if told["starts"]:
                self.process.start()
        self.over.wait()
        with suppress(SpecsError):
            self.process.terminate(for_good=True)
        self.process.await_change(lambda: not self.process.running)

    def do(self, asked: dict[str, Any]) -> dict[str, object]:
        """One request and its answer, or its error with the name of its class."""
        try:
            verb = self._does.get(asked["do"])
            if verb is None:
                raise UsageError(f"the keeper of {self._name} cannot {asked['do']}: the image is of another version")
            return {"answer": verb(**asked["how"])}
        except SpecsError as error:
            return {"error": str(error), "kind": type(error).__name__}
        except OSError as failure:
            return {"error": f"{asked['do']} of {self._name}: {failure}", "kind": "DeploymentError"}

    def state(self) -> dict[str, object]:
        process = self.process
        with suppress(SpecsError):
            return {"pid": process.pid, "exits": list(process.exits)}
        return {"pid": None, "exits": list(process.exits)}

    def _told(self) -> dict[str, Any] | None:
        file = COMMANDS / self._name
        while not self.over.is_set():
            with suppress(FileNotFoundError):
                told: dict[str, Any] = json.loads(file.read_text())
                return told
            self.over.wait(ASKS_AGAIN)
        return None

    def _needs_answer(self, needs: list[list[str]], *, patience: float) -> bool:
        """Whether all of each group has answered, or after so many seconds one of each.

        A component would end, or wait for long, if none did, and so may one that asks the member of etcd that is late.
        """
        begun = time.monotonic()
        for group in needs:
            while not (all if time.monotonic() - begun < patience else any)(map(_answers, group)):
                if self.over.wait(ASKS_AGAIN):
                    return False
        return not self.over.is_set()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


class _Connection(socketserver.StreamRequestHandler):
    """One who asks: gets the state at once and whenever it changes, and an answer to each line."""

    server: _Server

    def handle(self) -> None:
        self._saying = threading.Lock()
        self._gone = threading.Event()
        self.server.connections.add(self)
        threading.Thread(target=self._tell, daemon=True).start()
        try:
            for line in self.rfile:
                asked = json.loads(line)
                done = self.server.keeper.do(asked)
                self._say({"id": asked["id"], "state": self.server.keeper.state(), **done})
        finally:
            self.server.connections.discard(self)
            self._gone.set()

    def tell_last(self) -> None:
        """How the component ended, before this container does."""
        self._say({"state": self.server.keeper.state()})

    def _tell(self) -> None:
        keeper, told = self.server.keeper, None
        while not self._gone.is_set():
            state = keeper.state()
            if state != told:
                told = state
                self._say({"state": state})
            keeper.process.await_change(lambda told=told: keeper.state() != told)  # type: ignore[misc]

    def _say(self, what: dict[str, object]) -> None:
        with self._saying, suppress(OSError):
            self.wfile.write(json.dumps(what).encode() + b"\n")


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def __init__(self, keeper: Keeper) -> None:
        SOCKET.unlink(missing_ok=True)
        super().__init__(str(SOCKET), _Connection)
        self.keeper = keeper
        self.connections = set[_Connection]()


def serve(keeper: Keeper) -> None:
    """Keep, and answer who asks, until it is over."""
    DATA.mkdir(exist_ok=True)
    with _Server(keeper) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        keeper.keep()
        for connection in list(server.connections):
            connection.tell_last()
        server.shutdown()


def main() -> None:
    """Until SIGTERM, which is how the kubelet ends a container."""
    keeper = Keeper(os.environ["HOSTNAME"])
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: keeper.over.set())
    serve(keeper)


if __name__ == "__main__":
    main()
