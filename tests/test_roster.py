"""Who serves and who is listed: ghosts, gaps and doubles are told apart, and times count from the last change."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from support.deployment import Deployment, Instance
from support.errors import FaultError
from support.roster import FILE, Look, RosterKeeper, longest_disagreement, look, looks, serving
from support.waiting import eventually


class FakeWorker:
    """A component that has an address and runs, is frozen, or has ended."""

    def __init__(self, number: int, *, running: bool = True, frozen: bool = False) -> None:
        self.name, self.address = f"vllm-worker-{number}", f"10.0.0.{number}"
        self.running, self.frozen = running, frozen
        self.ends: list[int] = []

    @property
    def pid(self) -> int:
        if not self.running:
            raise FaultError("it is not running")
        return 4711


def deployment(workers: Sequence[FakeWorker], listed: Sequence[str]) -> Deployment:
    """Of these workers, with a frontend that lists instances at these addresses."""
    instances = [Instance(number, "backend", address) for number, address in enumerate(listed)]
    made = SimpleNamespace(of_role=lambda *roles: workers, workers=workers, instances=lambda: instances)
    return cast(Deployment, made)


ONE, TWO = FakeWorker(1), FakeWorker(2)
GONE = FakeWorker(2, running=False)
FROZEN = FakeWorker(2, frozen=True)


@pytest.mark.parametrize(
    ("workers", "listed", "missing", "ghosts"),
    [
        pytest.param([ONE, TWO], ["10.0.0.2", "10.0.0.1"], [], [], id="as it is"),
        pytest.param([ONE, TWO], ["10.0.0.1"], ["10.0.0.2"], [], id="one lacks"),
        pytest.param([ONE, GONE], ["10.0.0.1", "10.0.0.2"], [], ["10.0.0.2"], id="a ghost"),
        pytest.param([ONE, FROZEN], ["10.0.0.1", "10.0.0.2"], [], ["10.0.0.2"], id="a frozen one"),
        pytest.param([ONE, TWO], ["10.0.0.1", "10.0.0.2", "10.0.0.2"], [], ["10.0.0.2"], id="one is there twice"),
        pytest.param([ONE, GONE], [], ["10.0.0.1"], [], id="nobody is listed"),
        pytest.param([ONE, TWO], ["", ""], [], [], id="over NATS"),
        pytest.param([ONE, GONE], ["", ""], [], [""], id="a ghost over NATS"),
    ],
)
def test_what_the_list_gets_wrong(
    workers: list[FakeWorker], listed: list[str], missing: list[str], ghosts: list[str]
) -> None:
    seen = look(deployment(workers, listed), at=5.0)
    assert (seen.at, seen.missing, seen.ghosts) == (5.0, missing, ghosts)
    assert seen.agrees == (not missing and not ghosts)


def test_a_worker_that_was_started_again_is_another_one() -> None:
    assert look(deployment([ONE, GONE], []), at=0.0).there == ["vllm-worker-1 (4711)"]


def test_workers_are_known_by_their_instances() -> None:
    assert serving(deployment([ONE, TWO], ["10.0.0.2", "10.0.0.9"])) == {"0": "vllm-worker-2"}
    assert serving(deployment([ONE, TWO], ["", ""])) == {}


def seen(at: float, there: str, *, ghosts: Sequence[str] = ()) -> Look:
    return Look(at, there=there.split(), listed=[], missing=[], ghosts=list(ghosts))


@pytest.mark.parametrize(
    ("them", "longest"),
    [
        pytest.param([seen(0, "a b"), seen(1, "a b")], 0.0, id="never wrong"),
        pytest.param(
            [seen(0, "a b"), seen(1, "a", ghosts="b"), seen(9, "a", ghosts="b"), seen(10, "a")], 8.0, id="one"
        ),
        pytest.param(
            [seen(0, "a b"), seen(1, "a", ghosts="b"), seen(5, "a c", ghosts="b"), seen(9, "a c", ghosts="b")],
            4.0,
            id="counted anew at each change",
        ),
        pytest.param([seen(0, "a"), seen(7, "a", ghosts="x")], 7.0, id="without any change"),
        pytest.param([seen(3, "a")], 0.0, id="a single look"),
    ],
)
def test_how_long_it_was_wrong(them: list[Look], longest: float) -> None:
    assert longest_disagreement(them) == longest


def test_looks_are_kept_and_read_back(tmp_path: Path) -> None:
    keeper = RosterKeeper(deployment([ONE, GONE], ["10.0.0.1", "10.0.0.2"]), tmp_path, clock_offset=1000.0)
    keeper.start()
    eventually(lambda: len(looks(tmp_path)) >= 2, within=5, describe="somebody looked twice")
    keeper.stop()
    keeper.stop()
    first, second = looks(tmp_path)[:2]
    assert first.ghosts == ["10.0.0.2"]
    assert 1000 < first.at < second.at


def test_a_frontend_that_does_not_answer_leaves_no_line(tmp_path: Path) -> None:
    tries = []

    def refused() -> list[Any]:
        tries.append(1)
        raise ConnectionError("refused")

    silent = cast(Deployment, SimpleNamespace(of_role=lambda *roles: [ONE], instances=refused))
    keeper = RosterKeeper(silent, tmp_path, clock_offset=0.0)
    keeper.start()
    eventually(lambda: len(tries) >= 2, within=5, describe="it was asked twice")
    keeper.stop()
    assert looks(tmp_path) == []


def test_where_nobody_looked_there_is_nothing(tmp_path: Path) -> None:
    assert looks(tmp_path) == []
    (tmp_path / FILE).write_text(json.dumps({"at": 1, "there": [], "listed": [], "missing": [], "ghosts": []}) + "\n")
    assert len(looks(tmp_path)) == 1
