"""The run's folder outside the tree: held while the run lives, swept when it was killed, nobody else's ever touched."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from support.errors import Unavailable
from support.local.scratch import PREFIX, Scratch, sweep
from support.settings import ROOT

NOBODY = 65534
HOLDER = "from support.local.scratch import Scratch; held = Scratch(); print(held.path, flush=True); input()"


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sweeps of other runs on this machine do not meet these tests."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_it_is_a_folder_of_its_own_and_gone_after_close(tmp_path: Path) -> None:
    one, other = Scratch(), Scratch()
    assert one.path.parent == other.path.parent == tmp_path
    assert one.path != other.path
    (one.path / "d1" / "etcd-0").mkdir(parents=True)
    for scratch in (one, other, one):
        scratch.close()
    assert list(tmp_path.iterdir()) == []


def test_a_held_folder_stays(tmp_path: Path) -> None:
    scratch = Scratch()
    assert sweep() == []
    assert scratch.path.is_dir()
    assert Scratch.held_by(scratch.path) == os.getpid()
    scratch.close()


def test_the_folder_of_another_process_stays_until_that_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER]
    holder = subprocess.Popen(
        command, cwd=ROOT, env=os.environ | {"TMPDIR": str(tmp_path)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout
        folder = Path(holder.stdout.readline().decode().strip())
        (folder / "d1" / "etcd-0").mkdir(parents=True)
        assert sweep() == []
        assert Scratch.held_by(folder) == holder.pid
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        assert Scratch.held_by(folder) is None
        assert sweep() == [folder]
    assert not folder.exists()
    assert sweep() == []


def test_what_cannot_be_deleted_now_is_swept_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As what is below a read-only mount of a run that was killed, until the mount has gone with it."""
    scratch, rmtree = Scratch(), shutil.rmtree
    for name in ("d1", "d2"):
        (scratch.path / name).mkdir()
    with monkeypatch.context() as mounted:
        mounted.setattr(shutil, "rmtree", lambda path, **how: None if path.name == "d1" else rmtree(path, **how))
        scratch.close()
    assert {one.name for one in scratch.path.iterdir()} == {"d1", "held"}
    assert sweep() == [scratch.path]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: to make a folder of another user")
def test_the_folder_of_another_user_stays(tmp_path: Path) -> None:
    folder = tmp_path / f"{PREFIX}abcdefgh"
    folder.mkdir()
    (folder / "held").touch()
    os.chown(folder, NOBODY, NOBODY)
    assert sweep() == []
    assert folder.is_dir()


def test_a_folder_that_only_looks_like_one_stays(tmp_path: Path) -> None:
    """As of someone who unpacked this project below /tmp."""
    project = tmp_path / f"{PREFIX}main"
    (project / "features").mkdir(parents=True)
    (project / "README.md").write_text("mine")
    assert sweep() == []
    assert (project / "README.md").read_text() == "mine"


def test_a_file_that_only_looks_like_one_stays(tmp_path: Path) -> None:
    archive = tmp_path / f"{PREFIX}main.zip"
    archive.write_text("mine")
    assert sweep() == []
    assert archive.read_text() == "mine"


def test_a_folder_that_vanishes_meanwhile_is_nobodys_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two runs sweep at once, or one ends while another begins."""
    gone = tmp_path / f"{PREFIX}abcdefgh"
    monkeypatch.setattr(Path, "glob", lambda *_: [gone])
    assert sweep() == []


def test_where_nothing_can_be_written_the_sentence_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(Unavailable, match=f"^cannot write to {tmp_path}/nowhere .*: make room or set TMPDIR$"):
        Scratch()
