"""Models with a flaw: each is as it is called, and one that is read-only is so for the worker that has it."""

from __future__ import annotations

import errno
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from unittest.mock import patch

import pytest

from support.deployment import Component
from support.errors import FaultError, Unavailable, UsageError
from support.model import give_back, write_flawed_model, write_model
from support.spec import MODEL_FLAWS, DeploymentSpec
from tests.in_lab import in_lab, lab_process, target

READ_ONLY = "a read-only cache"


@pytest.fixture(scope="module", autouse=True)
def _lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with lab_process(tmp_path_factory.mktemp("lab")):
        yield


def files(snapshot: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in snapshot.glob("*")}


def test_a_model_folder_that_is_missing_is_missing(tmp_path: Path) -> None:
    assert not write_flawed_model(tmp_path, "no model folder").snapshot.exists()


@pytest.mark.parametrize(
    ("flaw", "name"),
    [
        ("no tokenizer", "tokenizer.json"),
        ("a corrupt tokenizer", "tokenizer.json"),
        ("a corrupt configuration", "config.json"),
    ],
)
def test_one_file_has_the_flaw_and_the_others_are_sound(flaw: str, name: str, tmp_path: Path) -> None:
    sound = files(write_model(tmp_path / "sound").snapshot)
    flawed = files(write_flawed_model(tmp_path / "flawed", flaw).snapshot)
    assert {one for one in sound if flawed.get(one) != sound[one]} == {name}
    if flaw == "no tokenizer":
        assert name not in flawed
    else:
        with pytest.raises(json.JSONDecodeError):
            json.loads(flawed[name])


def test_an_unknown_flaw_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=re.escape(f"choose one of {', '.join(MODEL_FLAWS)}")):
        write_flawed_model(tmp_path / "model", "no idea")
    assert not (tmp_path / "model").exists()


def test_outside_a_lab_nothing_is_mounted(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="in the lab only"):
        write_flawed_model(tmp_path, READ_ONLY)
    give_back(tmp_path)
    assert not tmp_path.is_mount()


def refused(write: Callable[[], object]) -> bool:
    """Whether it is, because what is to be written to is read-only."""
    try:
        write()
    except OSError as failure:
        return failure.errno == errno.EROFS
    return False


@in_lab
def test_a_read_only_cache_is_so_until_it_is_given_back() -> None:
    with TemporaryDirectory() as folder:
        snapshot = write_flawed_model(Path(folder), READ_ONLY).snapshot
        try:
            assert refused((snapshot / "new").touch)
            assert refused((snapshot / "config.json").unlink)
        finally:
            give_back(Path(folder))
        (snapshot / "new").touch()
        give_back(Path(folder))  # twice is once


@in_lab
def test_a_cache_that_can_still_be_written_to_is_an_error() -> None:
    does_nothing = patch("subprocess.run", return_value=SimpleNamespace(returncode=0))
    with TemporaryDirectory() as folder, does_nothing, pytest.raises(FaultError, match="can still be written to"):
        write_flawed_model(Path(folder), READ_ONLY)


@in_lab
def test_it_is_read_only_for_the_worker_that_has_it_and_for_no_other() -> None:
    deployment = target().deployment(DeploymentSpec(workers=1))
    try:
        added = deployment.add("worker", flaw=READ_ONLY)
        (mount,) = [line.split() for line in mounts(added) if f"/model-of-{added.name} " in line]
        assert mount[5].split(",")[0] == "ro"
        assert f"/model-of-{added.name}/" in Path(f"/proc/{added.pid}/cmdline").read_text()
        assert "/model-of-" not in Path(f"/proc/{deployment.workers[0].pid}/cmdline").read_text()
    finally:
        target().release(deployment, reuse=False)


def mounts(component: Component) -> list[str]:
    """As that component sees them (proc_pid_mountinfo(5): the sixth field has the options)."""
    return Path(f"/proc/{component.pid}/mountinfo").read_text().splitlines()
