"""`up` keeps a deployment at localhost:8000, `shell` goes inside, and nothing of it is left."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from injector.places import SERVICE_PORT
from support.local.playground import PORT
from support.matchers import continuity_faults
from support.metrics import Metrics
from support.requests import send_completion_request
from support.settings import ROOT
from support.waiting import eventually
from tests.in_lab import expect_nothing_left, kill_and_expect_nothing_left, needs_lab

URL = f"http://localhost:{PORT}"
MODEL = "dynamo-fault-specs/counting"


def _taken() -> bool:
    try:
        for port in (PORT, SERVICE_PORT):
            socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return True
    return False


PORTS = f"{PORT} and {SERVICE_PORT}"
pytestmark = [needs_lab, pytest.mark.skipif(_taken(), reason=f"needs ports {PORTS} of localhost: one is taken")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("up")


@pytest.fixture(scope="module")
def kept(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """One that most tests share."""
    with up(folder) as process:
        yield process


@pytest.mark.usefixtures("kept")
def test_it_serves_on_localhost() -> None:
    request = send_completion_request(URL, MODEL, "1 2 3", 50, stream=True)
    record = request.finished(within=20)
    assert not continuity_faults(record.text, 4, 50)
    assert record.status == "completed"


@pytest.mark.usefixtures("kept")
def test_a_client_that_leaves_is_seen_to_leave() -> None:
    before = _cancelled()
    request = send_completion_request(URL, MODEL, "1 2 3", 2000, stream=True)
    request.wait_for_tokens(10)
    request.cancel()
    eventually(lambda: _cancelled() == before + 1, within=5, describe="the frontend counts a cancellation")


@pytest.mark.usefixtures("kept")
def test_faults_can_be_injected_from_outside() -> None:
    faults = f"http://localhost:{SERVICE_PORT}/api/v1/faults"
    asked = {"target_pod": "vllm-worker-0", "fault_type": "pause"}
    made = httpx.post(f"{faults}/process/inject", json=asked, trust_env=False, timeout=20).json()
    assert made["state"] == "ACTIVE", made
    assert [one["id"] for one in httpx.get(faults, trust_env=False).json()] == [made["id"]]
    refused = httpx.post(f"{faults}/process/inject", json=asked | {"target_pod": "vllm-worker-1"}, trust_env=False)
    assert (refused.status_code, "no healthy worker" in refused.text) == (403, True)
    cut = {"partition_type": "FRONTEND_WORKER", "target": "vllm-worker-0"}
    assert httpx.post(f"{faults}/network/inject", json=cut, trust_env=False, timeout=20).status_code == 201
    recovered = httpx.post(f"{faults}/recover", trust_env=False, timeout=20).json()
    assert [one["state"] for one in recovered] == ["RECOVERED", "RECOVERED"]


def test_connections_that_end_are_given_back(kept: subprocess.Popen[bytes]) -> None:
    def open_files() -> int:
        return len(list(Path(f"/proc/{kept.pid}/fd").iterdir()))

    _cancelled()
    before = open_files()
    for _ in range(30):
        _cancelled()
    eventually(lambda: open_files() <= before + 2, within=3, describe="its files are closed", last_seen=lambda: "open")


def test_a_shell_runs_a_command_inside(kept: subprocess.Popen[bytes], folder: Path) -> None:
    said = shell(
        folder, "ip netns; echo $FRONTEND_URL $ETCDCTL_ENDPOINTS; pwd; cat /proc/[0-9]*/cmdline | tr '\\0' ' '"
    )
    assert "vllm-worker-0" in said.stdout
    assert "http://10.77." in said.stdout
    assert str(ROOT) in said.stdout
    assert "support/engines/counting.py" in said.stdout
    assert shell(folder, "exit 5").returncode == 5
    asked = shell(folder, f"{sys.executable} -c {ASK!r}")
    assert MODEL in asked.stdout, asked.stderr
    assert kept.poll() is None


ASK = 'import os, httpx; print(httpx.get(os.environ["FRONTEND_URL"] + "/v1/models").text)'


@pytest.mark.usefixtures("kept")
def test_a_second_one_is_told_that_the_port_is_taken(tmp_path: Path) -> None:
    second = specs(tmp_path, "up")
    assert second.returncode == 2
    assert second.stderr.startswith(f"specs: port {PORT} of localhost is taken: ")
    assert second.stderr.count("\n") == 1
    assert "--port" not in second.stderr, "there is no such option"
    assert list(tmp_path.iterdir()) == []
    expect_nothing_left(tmp_path)


def test_a_shell_without_a_deployment_is_one_sentence(tmp_path: Path) -> None:
    told = shell(tmp_path, "true")
    assert (told.returncode, told.stderr) == (2, "specs: no deployment is up: ./specs up keeps one\n")


def test_of_kubernetes_there_is_none(tmp_path: Path) -> None:
    told = specs(tmp_path, "up", "-D", "target=kubernetes")
    assert told.returncode == 2
    assert told.stderr.count("\n") == 1
    assert "leave -D target out" in told.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_when_told_to_and_leaves_nothing(number: signal.Signals, folder: Path, tmp_path: Path) -> None:
    end_the_shared_one(folder)
    with up(tmp_path) as process:
        process.send_signal(number)
        assert process.wait(timeout=10) == 0
        expect_nothing_left(tmp_path)
        assert [entry.name for entry in tmp_path.iterdir()] == ["logs"]


def test_killed_it_leaves_nothing_that_runs(folder: Path, tmp_path: Path) -> None:
    end_the_shared_one(folder)
    with up(tmp_path) as process:
        kill_and_expect_nothing_left(process, tmp_path)
    assert not _taken()
    specs(tmp_path, "cleanup")
    assert [entry.name for entry in tmp_path.iterdir()] == ["logs"]


_shared: list[subprocess.Popen[bytes]] = []


def end_the_shared_one(folder: Path) -> None:
    """It holds the port; tests that need their own come last."""
    while _shared:
        process = _shared.pop()
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=10)
    expect_nothing_left(folder)


@contextmanager
def up(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "support.cli", "up", "-D", f"log_dir={folder}/logs"]
    process = subprocess.Popen(command, cwd=ROOT, env=_environment(folder), stdout=subprocess.PIPE)
    _shared.append(process)
    with process:
        try:
            assert process.stdout
            for line in process.stdout:
                if line.startswith(b"up, the frontend is at http://localhost:8000"):
                    break
            else:
                pytest.fail("it ended before it was up")
            yield process
        finally:
            process.terminate()
            process.wait(timeout=20)
            if process in _shared:
                _shared.remove(process)


def specs(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "support.cli", *arguments]
    return subprocess.run(command, cwd=ROOT, env=_environment(folder), capture_output=True, text=True, timeout=60)


def shell(folder: Path, told: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "support.cli", "shell"]
    environment = _environment(folder) | {"SHELL": "/bin/sh"}
    return subprocess.run(
        command, cwd=ROOT, env=environment, input=told + "\n", capture_output=True, text=True, timeout=60
    )


def _environment(folder: Path) -> dict[str, str]:
    return os.environ | {"TMPDIR": str(folder)}


def _cancelled() -> float:
    scrape = Metrics.parse(httpx.get(f"{URL}/metrics", trust_env=False).text)
    return scrape.total("dynamo_frontend_model_cancellation_total")
