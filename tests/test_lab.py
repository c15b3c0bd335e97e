"""The lab: a run inside it ends as it would outside, and nothing of it outlives its outermost process."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.local import lab
from support.settings import ROOT
from support.waiting import eventually
from tests.in_lab import expect_nothing_left, needs_lab, processes_of

pytestmark = needs_lab
ENTER = "import sys; from support.local import lab; lab.enter(sys.argv[1:])"
AS_NOBODY = ["runuser", "-u", "nobody", "--"]
ME, NOBODY = "me", "nobody"


@pytest.fixture(params=[ME, NOBODY])
def user(request: pytest.FixtureRequest) -> list[str]:
    """What precedes a command to run it as that user."""
    if request.param == ME:
        return []
    if os.geteuid() != 0:
        pytest.skip("needs root: to become another user")
    if subprocess.run([*AS_NOBODY, sys.executable, "-c", "import support.local.lab"], cwd=ROOT).returncode:
        pytest.skip("needs a Python and a project that other users can read")
    if subprocess.run([*AS_NOBODY, "unshare", "--user", "--map-root-user", "true"]).returncode:
        pytest.skip("needs namespaces: this machine refuses them to ordinary users")
    return AS_NOBODY


@pytest.mark.parametrize(("command", "status"), [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", 137)])
def test_the_exit_status_passes_through(user: list[str], command: str, status: int) -> None:
    assert run(user, "sh", "-c", command).returncode == status


def test_words_pass_through() -> None:
    done = run([], "sh", "-c", "cat; echo wrong >&2", spoken="heard")
    assert (done.stdout, done.stderr) == ("heard", "wrong\n")


def test_a_program_that_does_not_exist_is_an_error() -> None:
    assert run([], "/no/such/program").returncode != 0


def test_its_network_is_its_own(user: list[str]) -> None:
    done = run(user, "sh", "-c", "ip -br link; readlink /proc/self/ns/net; ip netns list; ip netns add x && echo made")
    links, namespace, made = done.stdout.splitlines()
    assert links.split()[:2] == ["lo", "UNKNOWN"]
    assert namespace != lab.network_namespace()
    assert made == "made"
    assert not Path("/run/netns/x").exists()


def test_names_resolve_without_waiting() -> None:
    look_up = "import socket; print(socket.gethostbyname('localhost')); socket.gethostbyname('no.such.name')"
    done = run([], "timeout", "2", sys.executable, "-c", look_up)
    assert done.stdout == "127.0.0.1\n"
    assert "gaierror" in done.stderr


def test_inside_is_known_inside_only(user: list[str]) -> None:
    tell = "from support.local import lab; print(lab.inside())"
    assert run(user, sys.executable, "-c", tell).stdout == "True\n"
    assert not lab.inside()


def test_an_environment_variable_that_leaks_is_not_a_lab(monkeypatch: pytest.MonkeyPatch) -> None:
    from_a_lab = run([], "sh", "-c", f"echo ${lab.MARK}").stdout.strip()
    assert from_a_lab.startswith("net:[")
    monkeypatch.setenv(lab.MARK, from_a_lab)
    assert not lab.inside()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_pass_on(user: list[str], number: signal.Signals, tmp_path: Path) -> None:
    catch = f"trap 'echo caught; exit 7' {number}; echo ready; while :; do sleep 0.01; done"
    with started(tmp_path, "sh", "-c", catch, user=user) as process:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        outer(process, user).send(number)
        assert process.stdout.readline() == b"caught\n"
        assert process.wait(timeout=5) == 7
    expect_nothing_left(tmp_path)


def test_what_ignores_signals_goes_on(tmp_path: Path) -> None:
    with started(tmp_path, "sh", "-c", "trap '' TERM; echo ready; read line; echo $line") as process:
        assert process.stdout
        assert process.stdin
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        process.stdin.write(b"still here\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"still here\n"
        assert process.wait(timeout=5) == 0


def test_a_signal_right_at_the_start_is_not_lost(tmp_path: Path) -> None:
    """Ctrl-C of someone who sees at once what was mistyped."""
    with started(tmp_path, "sleep", "1000") as process:
        eventually(lambda: _has(process.pid, "init.py"), within=5, describe="process 1 is there")
        process.send_signal(signal.SIGTERM)
        try:
            assert process.wait(timeout=5) == 128 + signal.SIGTERM
        finally:
            process.kill()


def test_nothing_outlives_the_outermost_process(user: list[str], tmp_path: Path) -> None:
    busy = "ip netns add x && ip netns exec x sleep 1000 & setsid sleep 1000 & (sleep 1000 &) ; echo ready; wait"
    with started(tmp_path, "sh", "-c", busy, user=user) as process:
        assert process.stdout
        process.stdout.readline()
        eventually(lambda: len(processes_of(tmp_path)) >= 6, within=5, describe="all of it runs")
        outer(process, user).send(signal.SIGKILL)
        expect_nothing_left(tmp_path)


@pytest.mark.parametrize("victim", ["unshare", "init"])
def test_nor_any_process_between(victim: str, tmp_path: Path) -> None:
    with started(tmp_path, "sh", "-c", "setsid sleep 1000 & echo ready; wait") as process:
        assert process.stdout
        process.stdout.readline()
        init = lab.first_process(process.pid)
        (unshare,) = lab._children(process.pid)
        os.kill({"unshare": unshare, "init": init}[victim], signal.SIGKILL)
        assert process.wait(timeout=5) != 0  # unshare 2.38 says 1 instead of 137 when its child was killed
    expect_nothing_left(tmp_path)


def test_what_the_command_leaves_running_ends_with_it(tmp_path: Path) -> None:
    with started(tmp_path, "sh", "-c", "setsid sleep 1000 & exit 4") as process:
        assert process.wait(timeout=5) == 4
    expect_nothing_left(tmp_path)


def test_two_labs_do_not_see_each_other(tmp_path: Path) -> None:
    make = "ip netns add same && ip link add d1 type bridge && echo made; cat; ip netns list"
    with started(tmp_path, "sh", "-c", make) as one, started(tmp_path, "sh", "-c", make) as other:
        for process in (one, other):
            assert process.stdout
            assert process.stdout.readline() == b"made\n"
        kill_one_only(one)
        left, _ = other.communicate(timeout=5)
        assert left == b"same\n"
        assert other.returncode == 0


def test_without_a_program_that_it_needs_the_sentence_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda program: None if program in ("ip", "nsenter") else f"/bin/{program}")
    assert lab.unavailable() == "nsenter, ip missing: apt-get install iproute2 util-linux"


class Outer:
    """The outermost process of the lab itself: under runuser it is a child."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def send(self, number: signal.Signals) -> None:
        os.kill(self._pid, number)


def outer(process: subprocess.Popen[bytes], user: list[str]) -> Outer:
    return Outer(lab._children(process.pid)[0] if user else process.pid)


def kill_one_only(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def run(user: list[str], *argv: str, spoken: str = "") -> subprocess.CompletedProcess[str]:
    command = [*user, sys.executable, "-c", ENTER, *argv]
    return subprocess.run(command, cwd=ROOT, input=spoken, capture_output=True, text=True, timeout=30)


@contextmanager
def started(folder: Path, *argv: str, user: list[str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Its processes bear the folder in their environment."""
    process = subprocess.Popen(
        [*(user or []), sys.executable, "-c", ENTER, *argv],
        cwd=ROOT,
        env=os.environ | {"MARK_OF_TEST": str(folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def _has(pid: int, word: str) -> bool:
    """The process has a grandchild with that word in its command line."""
    try:
        init = lab.first_process(pid)
        return word in Path(f"/proc/{init}/cmdline").read_text()
    except (ValueError, FileNotFoundError):
        return False
