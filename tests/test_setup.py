"""The set-up: each step once, again after a change or an interruption, alone, and one sentence when it fails."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from support.errors import Unavailable, UsageError
from support.setup import LOCKS, ROOT, environments, installer, programs, steps
from support.setup.environments import BEGUN
from support.setup.installer import call, explained
from support.setup.launch import needed
from support.setup.steps import Step, prepare


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here touches the environments of the project."""
    for module in (installer, steps):
        monkeypatch.setattr(module, "STATE", tmp_path)
        monkeypatch.setattr(module, "ROOT", tmp_path)
        monkeypatch.setattr(module, "LOG", tmp_path / "setup.log")


def counted(tmp_path: Path, *inputs: str | Path) -> tuple[Step, list[str]]:
    """A step that is recorded, and a list that grows whenever it is done."""
    times: list[str] = []
    return steps._recorded("counting", tmp_path / ".stamp", list(inputs), lambda: times.append("done")), times


def test_a_step_is_done_once_and_again_when_its_input_has_changed(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.write_text("a==1")
    step, times = counted(tmp_path, "1.4.2", lock)
    prepare([step])
    prepare([step])
    assert times == ["done"]
    lock.write_text("a==2")
    prepare([step])
    assert times == ["done"] * 2


def test_a_step_that_failed_is_not_recorded(tmp_path: Path) -> None:
    def fail() -> None:
        raise Unavailable("no network: connect and call again")

    step = steps._recorded("failing", tmp_path / ".stamp", ["x"], fail)
    with pytest.raises(Unavailable, match="no network"):
        prepare([step])
    assert not step.done()


def test_what_the_user_has_to_do_first_is_said_before_anything_is_begun(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse() -> None:
        raise Unavailable("packages are missing")

    counting, times = counted(tmp_path, "x")
    refusing = Step(name="packages", done=lambda: False, work=lambda: None, check=refuse)
    with pytest.raises(Unavailable, match="packages are missing"):
        prepare([counting, refusing])
    assert (times, capsys.readouterr().err) == ([], "")


@pytest.mark.parametrize(("number", "sentence"), [(errno.ENOSPC, "disk is full"), (errno.EACCES, "cannot write")])
def test_a_disk_that_cannot_be_written_is_one_sentence(tmp_path: Path, number: int, sentence: str) -> None:
    def fail() -> None:
        raise OSError(number, "as the kernel says", str(tmp_path))

    with pytest.raises(Unavailable, match=sentence):
        prepare([steps._recorded("writing", tmp_path / ".stamp", ["x"], fail)])


def test_two_set_ups_at_once_do_the_step_once(tmp_path: Path) -> None:
    begun, go_on, times = threading.Event(), threading.Event(), []

    def slowly() -> None:
        times.append("done")
        begun.set()
        assert go_on.wait(10)

    step = steps._recorded("slow", tmp_path / ".stamp", ["x"], slowly)
    first, second = (threading.Thread(target=prepare, args=([step],)) for _ in range(2))
    first.start()
    assert begun.wait(10)
    second.start()
    go_on.set()
    first.join(10)
    second.join(10)
    assert (times, step.done()) == (["done"], True)


def test_an_installer_whose_set_up_was_killed_still_keeps_others_out(tmp_path: Path) -> None:
    with steps._alone():
        held = "import fcntl, sys; fcntl.flock(open(sys.argv[1]), fcntl.LOCK_EX | fcntl.LOCK_NB)"
        orphan = subprocess.Popen(["cat"], stdin=subprocess.PIPE, close_fds=False)
    try:
        argv = [sys.executable, "-c", held, str(tmp_path / "setup.lock")]
        assert b"BlockingIOError" in subprocess.run(argv, capture_output=True).stderr
    finally:
        orphan.communicate()
    assert subprocess.run(argv).returncode == 0


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("OSError: [Errno 28] No space left on device", "the disk is full"),
        ("npm error code EAI_AGAIN", "its server cannot be reached"),
        ("NewConnectionError: failed\nERROR: No matching distribution", "its server cannot be reached"),
        ("ok\nERROR: hashes do not match\nnoise", r"\(ERROR: hashes do not match\): call again"),
        ("", "it said nothing"),
    ],
)
def test_a_failed_installer_is_one_sentence(said: str, sentence: str) -> None:
    program = f"import sys; print({said!r}) if {said!r} else None; sys.exit(1)"
    with pytest.raises(Unavailable, match=sentence) as failure, explained("Dynamo cannot be installed"):
        call([sys.executable, "-c", program])
    assert "\n" not in str(failure.value)


def test_what_an_installer_says_is_in_the_log(tmp_path: Path) -> None:
    call([sys.executable, "-c", "print('hello')"], cwd=tmp_path)
    assert "hello" in (tmp_path / "setup.log").read_text()


def test_an_environment_that_was_being_made_is_made_anew_and_a_sound_one_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "environment"
    environments._begin(folder)
    environments._end(folder)
    (folder / "kept").touch()
    environments._begin(folder)
    assert (folder / "kept").exists()
    assert (folder / BEGUN).exists()
    environments._begin(folder)
    assert not (folder / "kept").exists()
    environments._end(folder)
    moved = folder.rename(tmp_path / "moved")
    assert not environments._sound(moved)


def test_a_strange_version_of_dynamo_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a version"):
        environments.make_dynamo(tmp_path / "x", version="1.4; rm", lock=None)


def test_missing_programs_are_named_by_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert programs.missing_packages() == ["iproute2", "mount", "nftables", "util-linux"]
    with pytest.raises(Unavailable, match="no apt-get"):
        programs.check_installable(["nftables"])


def test_a_user_gets_the_line_to_type(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "apt-get").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(Unavailable, match=r"sudo apt-get install iproute2 nftables$"):
        programs.check_installable(["iproute2", "nftables"])


def test_help_and_cleanup_do_not_wait_for_dynamo() -> None:
    light = ["Debian packages", "the project's environment"]
    for arguments in ([], ["--help"], ["cleanup"], ["run", "--help"]):
        assert [step.name for step in needed(arguments)] == light
    assert len(needed(["run", "-t", "@vllm"])) == len(light) + 2


@pytest.mark.parametrize("lock", sorted(LOCKS.glob("*.txt")), ids=lambda lock: lock.name)
def test_locks_are_complete_and_name_no_server(lock: Path) -> None:
    text = lock.read_text()
    requirements = re.findall(r"^[a-z0-9][^\n]*", text, re.MULTILINE)
    assert requirements
    assert all("==" in one and one.endswith("\\") for one in requirements)
    assert "://" not in text


def test_the_lock_meets_the_ranges_of_the_project() -> None:
    wanted = re.findall(r'^    "([a-z0-9-]+)[<>=]', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    locked = re.findall(r"^([a-z0-9-]+)==", (LOCKS / "main.txt").read_text(), re.MULTILINE)
    assert len(wanted) > 10
    assert set(wanted) <= set(locked)
