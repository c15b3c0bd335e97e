"""A component's process in its container, with a real keeper and relay; only the way to the container is a fake."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from support.errors import DeploymentError, FaultError, UsageError
from support.kubernetes_target import keeper, relay
from support.kubernetes_target.process import PodProcess
from support.waiting import eventually
from tests.serving import Exchange, HttpServer

SLEEPER = ["sleep", "1000"]
POLITE = ["sh", "-c", "trap 'exit 3' TERM; echo up; while :; do sleep 0.01; done"]


class FakeSession:
    """As kubernetes.stream has one, with a relay on this machine."""

    def __init__(self, socket: Path) -> None:
        argv = [sys.executable, "-S", relay.__file__, str(socket)]
        self.relay = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def write_stdin(self, text: str) -> None:
        assert self.relay.stdin
        if self.relay.stdin.closed:
            raise BrokenPipeError("as a connection that has ended would")
        self.relay.stdin.write(text.encode())
        self.relay.stdin.flush()

    def readline_stdout(self) -> str:
        assert self.relay.stdout
        return self.relay.stdout.readline().decode().rstrip("\n")

    def read_stdout(self, timeout: float) -> str:
        return ""

    def close(self) -> None:
        self.relay.kill()
        self.relay.wait()
        for end in (self.relay.stdin, self.relay.stdout):
            assert end
            with suppress(BrokenPipeError):
                end.close()


class FakeCluster:
    """One pod, whose containers are keepers in threads of this process."""

    def __init__(self, folder: Path) -> None:
        self._socket = folder / "sock"
        self._keepers: list[tuple[keeper.Keeper, threading.Thread]] = []
        self.sessions: list[FakeSession] = []
        self.reachable = True

    def begin(self) -> Any:
        """Another container; returns the pod."""
        kept = keeper.Keeper("worker-0")
        thread = threading.Thread(target=keeper.serve, args=(kept,))
        thread.start()
        self._keepers.append((kept, thread))
        eventually(self._socket.exists, within=5, describe="the keeper listens")
        return self.pod("ns", "worker-0")

    def end(self) -> None:
        """The container ends as the kubelet ends it."""
        for kept, thread in self._keepers:
            kept.over.set()
            thread.join()
        self._socket.unlink(missing_ok=True)
        if self.sessions:
            self.sessions[-1].close()

    def pod(self, namespace: str, name: str) -> Any:
        if not self.reachable:
            raise DeploymentError("the cluster does not answer")
        there = bool(self._keepers) and self._keepers[-1][1].is_alive()
        state = SimpleNamespace(running=there)
        status = SimpleNamespace(name="main", container_id=f"c{len(self._keepers)}", state=state)
        return SimpleNamespace(
            metadata=SimpleNamespace(deletion_timestamp=None),
            status=SimpleNamespace(pod_ip="10.0.0.1", container_statuses=[status]),
        )

    def execute(self, namespace: str, pod: str, argv: Any) -> FakeSession:
        self.sessions.append(FakeSession(self._socket))
        return self.sessions[-1]


class FakeLog:
    def follow(self, pod: Any) -> None: ...

    def close(self) -> None: ...


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCluster]:
    monkeypatch.setattr(keeper, "SOCKET", tmp_path / "sock")
    monkeypatch.setattr(keeper, "COMMANDS", tmp_path)
    monkeypatch.setattr(keeper, "DATA", tmp_path / "data")
    monkeypatch.setattr(keeper, "OUTPUT", tmp_path / "out")
    made = FakeCluster(tmp_path)
    yield made
    made.end()


@pytest.fixture
def told(tmp_path: Path) -> Callable[..., None]:
    def tell(argv: list[str], **how: object) -> None:
        what = {"argv": argv, "environment": {"PATH": "/usr/bin:/bin"}, "restart": "never", "starts": True}
        what |= {"needs": [], "patience": 0.0}
        file = tmp_path / "worker-0"
        file.with_suffix(".new").write_text(json.dumps(what | how))
        file.with_suffix(".new").rename(file)

    return tell


def connected(cluster: FakeCluster) -> PodProcess:
    process = PodProcess(cluster, "ns", "worker-0", FakeLog())  # type: ignore[arg-type]  # fakes
    process.connect(cluster.begin())
    return process


def test_it_is_killed_stays_down_and_starts_again(cluster: FakeCluster, told: Callable[..., None]) -> None:
    told(SLEEPER)
    process = connected(cluster)
    process.begun(within=5)
    first = process.pid
    process.kill()
    assert not process.running
    assert process.exits == [-signal.SIGKILL]
    with pytest.raises(FaultError, match="worker-0 cannot be killed: it is not running"):
        process.kill()
    with pytest.raises(DeploymentError, match=r"worker-0 is not running: it ended with \[-9\]"):
        process.vitals()
    process.start()
    assert process.pid != first
    assert process.vitals().threads >= 1


def test_it_is_frozen_and_goes_on(cluster: FakeCluster, told: Callable[..., None]) -> None:
    told(SLEEPER)
    process = connected(cluster)
    process.begun(within=5)
    process.pause()
    assert process.frozen
    process.resume()
    assert not process.frozen
    process.pause()
    process.kill()
    process.start()
    assert not process.frozen


def test_its_policy_starts_it_again(cluster: FakeCluster, told: Callable[..., None]) -> None:
    told(SLEEPER, restart="always")
    process = connected(cluster)
    process.begun(within=5)
    first = process.pid
    process.kill()
    eventually(lambda: process.running, within=5, describe="it is started again")
    assert process.pid != first
    process.kill(for_good=True)
    assert not process.running


def test_it_runs_next_what_it_is_told(cluster: FakeCluster, told: Callable[..., None], tmp_path: Path) -> None:
    told(["true"])
    process = connected(cluster)
    eventually(lambda: process.exits == [0], within=5, describe="it has ended")
    process.run_next(["sh", "-c", "echo $OURS; exit 4"], {"OURS": "told", "PATH": "/usr/bin:/bin"})
    process.start()
    eventually(lambda: process.exits == [0, 4], within=5, describe="it has ended again")
    assert (tmp_path / "out").read_text() == "told\n"


class Health(HttpServer):
    async def answer(self, exchange: Exchange) -> None:
        await exchange.start(200, "text/plain")
        await exchange.end()


def test_it_is_not_begun_before_what_it_needs_answers(cluster: FakeCluster, told: Callable[..., None]) -> None:
    told(SLEEPER, needs=[["http://127.0.0.1:1/"]])
    process = connected(cluster)
    said = r"worker-0 was started: not within 0\.5 s; last seen: its keeper waits for etcd and NATS"
    with pytest.raises(DeploymentError, match=said):
        process.begun(within=0.5)
    with Health() as url:
        told(SLEEPER, needs=[["http://127.0.0.1:1/", url]])
        cluster.end()
        process.connect(cluster.begin())
        process.begun(within=5)


def test_one_waits_a_while_for_all_that_it_needs(cluster: FakeCluster, told: Callable[..., None]) -> None:
    with Health() as url:
        told(SLEEPER, needs=[[url, "http://127.0.0.1:1/"]], patience=0.8)
        process = connected(cluster)
        begun = time.monotonic()
        with pytest.raises(DeploymentError, match="its keeper waits for etcd and NATS"):
            process.begun(within=0.4)
        process.begun(within=5)
        assert time.monotonic() - begun >= 0.7
        told(SLEEPER, needs=[[url, url]], patience=600)
        cluster.end()
        process.connect(cluster.begin())
        process.begun(within=5)


def test_one_whose_container_ends_is_told_to_and_how_it_ended_is_known(
    cluster: FakeCluster, told: Callable[..., None]
) -> None:
    told(POLITE)
    process = connected(cluster)
    process.begun(within=5)
    cluster.end()
    eventually(lambda: not process.running, within=5, describe="it has ended")
    assert process.exits in ([3], [-signal.SIGTERM])  # as it was told before or after its trap
    with pytest.raises(FaultError, match="worker-0 has no running container"):
        process.kill()


def test_one_that_comes_back_in_another_container_is_found(cluster: FakeCluster, told: Callable[..., None]) -> None:
    told(SLEEPER)
    process = connected(cluster)
    process.begun(within=5)
    process.kill()
    cluster.end()
    cluster.begin()
    eventually(lambda: process.running, within=5, describe="it is back")
    assert process.exits == [-signal.SIGKILL]


def test_where_nobody_can_say_what_was_known_last_stands(cluster: FakeCluster, told: Callable[..., None]) -> None:
    told(SLEEPER)
    process = connected(cluster)
    process.begun(within=5)
    pid = process.pid
    cluster.reachable = False
    cluster.sessions[-1].close()
    assert process.pid == pid
    cluster.reachable = True
    eventually(lambda: process.running and len(cluster.sessions) > 1, within=5, describe="it is asked again")
    process.kill()
    assert process.exits == [-signal.SIGKILL]


def test_what_the_keeper_does_not_know_is_said(cluster: FakeCluster, told: Callable[..., None]) -> None:
    told(SLEEPER)
    process = connected(cluster)
    with pytest.raises(UsageError, match="the keeper of worker-0 cannot dance"):
        process._ask("dance")
