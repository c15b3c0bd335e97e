"""A supervised process, with small real processes: its verbs, its restarts, and that it cannot outlive its keeper."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support import process as module
from support.errors import DeploymentError, FaultError
from support.process import SupervisedProcess
from support.settings import ROOT
from support.spec import RestartPolicy
from support.waiting import eventually

SLEEPER = ("sleep", "1000")
PARENT = ("sh", "-c", "sleep 1000 & echo child $!; wait")
STUBBORN = (sys.executable, "-c", "import signal; signal.signal(15, signal.SIG_IGN); print('up'); signal.pause()")
Make = Callable[..., SupervisedProcess]

if not Path("/proc/self/task").is_dir():
    pytest.skip("needs Linux: it looks into /proc", allow_module_level=True)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[SupervisedProcess] = []

    def make_one(*argv: str, restart: RestartPolicy = "never") -> SupervisedProcess:
        environment = {"PATH": os.environ["PATH"], "OURS": "1", "PYTHONUNBUFFERED": "1"}
        one = SupervisedProcess(
            "worker", argv, log=tmp_path / "log", environment=environment, folder=tmp_path, restart=restart
        )
        made.append(one)
        return one

    yield make_one
    for one in made:
        one.stop()


def test_it_runs_in_its_folder_with_its_environment_and_writes_to_its_log(make: Make, tmp_path: Path) -> None:
    (tmp_path / "log").write_text("from before\n")
    process = make("sh", "-c", "pwd; echo $OURS$HOME$SHELL; echo wrong >&2")
    process.start()
    assert process.ended(within=5) == 0
    assert (tmp_path / "log").read_text() == f"from before\n{tmp_path}\n1\nwrong\n"
    assert not process.running
    with pytest.raises(DeploymentError, match=r"worker is not running: it ended with \[0\]"):
        _ = process.pid


def test_one_that_retires_is_not_started_again(make: Make) -> None:
    process = make(*SLEEPER, restart="always")
    process.start()
    process.terminate(for_good=True)
    assert process.ended(within=5) == -signal.SIGTERM
    process.stop()
    assert not process.running
    assert process.exits == [-signal.SIGTERM]


def test_kill_is_seen(make: Make) -> None:
    process = make(*SLEEPER)
    process.start()
    pid = process.pid
    assert alive(pid)
    process.kill()
    assert not process.running
    assert not alive(pid)
    assert process.exits == [-signal.SIGKILL]
    with pytest.raises(FaultError, match="cannot be killed: it is not running"):
        process.kill()


def test_terminate_asks(make: Make) -> None:
    process = make(*SLEEPER)
    process.start()
    process.terminate()
    assert process.ended(within=5) == -signal.SIGTERM
    with pytest.raises(FaultError, match="cannot be terminated: it is not running"):
        process.terminate()


def test_terminate_may_be_refused_kill_may_not(make: Make, tmp_path: Path) -> None:
    process = make(*STUBBORN)
    process.start()
    eventually(lambda: "up" in (tmp_path / "log").read_text(), within=5, describe="it ignores SIGTERM")
    process.terminate()
    assert process.running
    process.kill()
    assert process.exits == [-signal.SIGKILL]


def test_pause_is_seen_in_proc_and_resume_too(make: Make) -> None:
    process = make(*SLEEPER)
    process.start()
    assert not process.frozen
    for _ in range(2):  # a second time changes nothing
        process.pause()
        assert process.frozen
        assert process.running
        assert state(process.pid) == "T"
    for _ in range(2):
        process.resume()
        assert not process.frozen
        eventually(lambda: state(process.pid) == "S", within=1, describe="it goes on")


def test_it_can_be_sent_a_signal_while_it_runs(make: Make, tmp_path: Path) -> None:
    told = "import signal; signal.signal(10, lambda *_: print('told')); print('up')\nwhile True: signal.pause()"
    process = make(sys.executable, "-c", told)
    process.start()
    eventually(lambda: "up" in (tmp_path / "log").read_text(), within=5, describe="it is up")
    process.send(signal.SIGUSR1)
    eventually(lambda: "told" in (tmp_path / "log").read_text(), within=5, describe="it was told")
    process.kill()
    with pytest.raises(FaultError, match="worker cannot be sent SIGUSR1: it is not running"):
        process.send(signal.SIGUSR1)


def test_a_frozen_process_can_be_killed(make: Make) -> None:
    process = make(*SLEEPER)
    process.start()
    process.pause()
    process.kill()
    assert process.exits == [-signal.SIGKILL]
    for verb in (process.pause, process.resume):
        with pytest.raises(FaultError, match="it is not running"):
            verb()


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_its_children_die_with_it(make: Make, tmp_path: Path, end: str) -> None:
    process = make(*PARENT)
    process.start()
    child = child_in(tmp_path / "log")
    getattr(process, end)()
    eventually(lambda: not alive(child), within=1, describe="the child ends")


def test_its_children_die_with_it_when_it_ends_by_itself(make: Make, tmp_path: Path) -> None:
    process = make("sh", "-c", "sleep 1000 & echo child $!; exit 3")
    process.start()
    assert process.ended(within=5) == 3
    child = child_in(tmp_path / "log")
    try:
        eventually(lambda: not alive(child), within=1, describe="the child ends")
    finally:
        if alive(child):
            os.kill(child, signal.SIGKILL)


def test_its_children_are_paused_with_it(make: Make, tmp_path: Path) -> None:
    process = make(*PARENT)
    process.start()
    child = child_in(tmp_path / "log")
    process.pause()
    eventually(lambda: state(child) == "T", within=1, describe="the child is frozen")
    process.resume()
    eventually(lambda: state(child) == "S", within=1, describe="the child goes on")


def test_stop_is_final_and_safe_to_call_at_any_time(make: Make) -> None:
    process = make(*SLEEPER, restart="always")
    process.stop()
    process.start()
    pid = process.pid
    for _ in range(2):
        process.stop()
    assert not alive(pid)
    assert not process.running
    process.start()
    assert process.pid != pid


def test_it_is_started_again_with_a_back_off_that_doubles(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_BACK_OFF", 0.1)
    monkeypatch.setattr(module, "LONGEST_BACK_OFF", 0.3)
    pauses: list[float] = []
    process = make("true", restart="always")
    wait_for = process._changed.wait_for

    def watched(predicate: Callable[[], object], timeout: float | None = None) -> object:
        if threading.current_thread().name.startswith("keeper") and timeout is not None:
            pauses.append(timeout)
        return wait_for(predicate, timeout)

    monkeypatch.setattr(process._changed, "wait_for", watched)
    process.start()
    eventually(lambda: len(process.exits) >= 5, within=10, describe="it has ended five times")
    process.stop()
    assert pauses[:5] == pytest.approx([0, 0.1, 0.2, 0.3, 0.3])


def test_back_off_starts_anew_after_a_steady_run(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_BACK_OFF", 1000.0)
    monkeypatch.setattr(module, "STEADY", 0.0)
    process = make("true", restart="always")
    process.start()
    eventually(lambda: len(process.exits) >= 3, within=5, describe="it is started again at once")


def test_killed_it_is_another_process(make: Make) -> None:
    process = make(*SLEEPER, restart="always")
    process.start()
    first = process.pid
    process.kill()
    eventually(lambda: process.running and process.pid != first, within=5, describe="it is started again")
    assert process.exits == [-signal.SIGKILL]


def test_stop_ends_the_back_off(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_BACK_OFF", 1000.0)
    process = make("true", restart="always")
    process.start()
    eventually(lambda: len(process.exits) == 2, within=5, describe="it is in its first back-off")
    process.stop()
    assert not process.running
    assert not keepers()


def test_started_during_its_back_off_there_is_still_only_one(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_BACK_OFF", 0.3)
    process = make(*SLEEPER, restart="always")
    process.start()
    first = process.pid
    process.kill()
    eventually(lambda: process.running and process.pid != first, within=5, describe="it is started again")
    process.kill()
    process.start()
    second = process.pid
    eventually(lambda: len(keepers()) == 1, within=2, describe="one keeper is left")
    assert process.pid == second
    process.stop()
    assert not alive(second)
    assert not keepers()


def test_a_command_that_ends_at_once_has_been_started(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """So fast that it is over before `start` looks."""
    process = make("true")
    spawn = process._spawn

    def spawn_and_see_the_end(log: int) -> subprocess.Popen[bytes]:
        child = spawn(log)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        return child

    monkeypatch.setattr(process, "_spawn", spawn_and_see_the_end)
    starting = threading.Thread(target=process.start, daemon=True)
    starting.start()
    starting.join(timeout=5)
    assert not starting.is_alive()
    assert process.ended(within=5) == 0


def test_a_signal_to_a_process_that_has_just_ended_is_not_an_error(make: Make) -> None:
    """It has been reaped, and its keeper has not said so yet."""
    process = make("true")
    with process._changed:
        gone = subprocess.Popen(["true"], start_new_session=True)
        gone.wait()
        process._process = gone
        process._signal(signal.SIGKILL)
        process._process = None


def test_a_command_that_does_not_exist(make: Make, tmp_path: Path) -> None:
    process = make("/no/such/program")
    process.start()
    assert process.ended(within=5) == 127
    assert "/no/such/program" in (tmp_path / "log").read_text()


def test_what_cannot_be_started_at_all(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    process = SupervisedProcess("worker", SLEEPER, log=tmp_path / "log", environment={}, folder=nowhere)
    with pytest.raises(DeploymentError, match=f"worker could not be started: .*{nowhere}"):
        process.start()
    assert not process.running
    process.stop()


KEEPER = """
import os, sys
from pathlib import Path
from support.process import SupervisedProcess
log = Path(sys.argv[1])
process = SupervisedProcess("x", ["sleep", "1000"], log=log, environment=dict(os.environ), folder=log.parent)
process.start()
print(process.pid, flush=True)
input()
"""


@pytest.mark.parametrize("delay", [0, 0.3])
def test_it_dies_when_its_keepers_process_is_killed(delay: float, tmp_path: Path) -> None:
    """Also when that happens before it has told the kernel that it wants to."""
    slow = tmp_path / "setpriv"
    slow.write_text(f'#!/bin/sh\nsleep {delay}\nexec {shutil.which("setpriv")} "$@"\n')
    slow.chmod(0o755)
    command = [sys.executable, "-c", KEEPER, str(tmp_path / "log")]
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    with subprocess.Popen(
        command, cwd=ROOT, env=os.environ | path, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as keeper:
        assert keeper.stdout
        kept = int(keeper.stdout.readline())
        assert alive(kept)
        keeper.kill()
    try:
        eventually(lambda: not alive(kept), within=1 + delay, describe="the kept process ends")
    finally:
        if alive(kept):
            os.kill(kept, signal.SIGKILL)


def state(pid: int) -> str:
    """Letter of proc(5)."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def alive(pid: int) -> bool:
    try:
        return state(pid) not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False


def child_in(log: Path) -> int:
    """The number that PARENT wrote."""
    words = eventually(lambda: log.exists() and log.read_text().split(), within=5, describe="the child is named")
    assert words
    return int(words[1])


def keepers() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "keeper of worker"]
