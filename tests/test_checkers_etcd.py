"""Checkers of etcd's members, and of the service while etcd is in trouble: as tests/test_checkers.py."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from support.checkers import (
    AnsweredMeanwhileChecker,
    BaseChecker,
    ListedChecker,
    NewLeaderChecker,
    NoOldNewsChecker,
    OneLeaderChecker,
    PauseChecker,
    ServedAgainChecker,
    ValidationContext,
)
from support.etcd_looks import FILE, EtcdLook
from support.marks import Fault, Marks
from support.report.timeline import FaultMark
from support.results import Results
from support.roster import FILE as ROSTER
from support.roster import Look
from tests.made_records import BEGIN, failed, record
from tests.test_checkers import context
from tests.test_checkers_workers import verdict

GONE = Fault(name="gone", target="etcd-0", begin=BEGIN + 2, end=BEGIN + 12)
IDS = {"etcd-0": 10, "etcd-1": 11, "etcd-2": 12}


def looks(at: float, leader: str, term: int, *members: str, silent: Sequence[str] = ()) -> list[EtcdLook]:
    """What these members say of who leads; the silent ones answer nothing that needs a majority."""
    return [EtcdLook(BEGIN + at, one, IDS[one], IDS[leader], term, 7, one not in silent) for one in members]


def seen(
    path: Path, of_etcd: Sequence[EtcdLook] = (), *faults: Fault, records: list[dict[str, Any]] | None = None
) -> ValidationContext:
    given = context(path, records or [record(i, i / 2) for i in range(30)])
    (path / FILE).write_text("".join(json.dumps(dataclasses.asdict(look)) + "\n" for look in of_etcd))
    Marks(phases=Marks.read(path).phases, faults=faults or [GONE]).write(path)
    return dataclasses.replace(given, loaded=Results(path))


def test_answers_are_judged_until_the_fault_is_taken_back_and_not_while_it_is(tmp_path: Path) -> None:
    def judged(path: Path, *late: dict[str, Any]) -> tuple[bool, str]:
        given = context(path, [*(record(i, i / 2) for i in range(30)), *late])
        given.journal.marks[:] = [FaultMark("gone", "etcd-0", BEGIN + 2, BEGIN + 8, healing_at=BEGIN + 7)]
        return verdict(AnsweredMeanwhileChecker(), given)

    assert judged(tmp_path / "a", failed(50, 7.1), failed(51, 1.9)) == (
        True,
        "of 10 requests in 5.0 s 10 were answered in full",
    )
    assert judged(tmp_path / "b", failed(50, 6.9)) == (False, "of 11 requests in 5.0 s 10 were answered in full")
    assert verdict(AnsweredMeanwhileChecker(), context(tmp_path / "c", [record(0, 3.0)])) == (
        False,
        "no data: nothing was done and taken back",
    )


ALL = ("etcd-0", "etcd-1", "etcd-2")


def test_another_member_leads_in_time(tmp_path: Path) -> None:
    there = [*looks(1, "etcd-0", 2, *ALL), *looks(3.5, "etcd-1", 3, "etcd-1", "etcd-2")]
    assert verdict(NewLeaderChecker(within=5), seen(tmp_path, there)) == (
        True,
        "etcd-0 led before, and etcd-1 1.5 s after it, in term 3 (2)",
    )
    assert not verdict(NewLeaderChecker(within=1), seen(tmp_path, there))[0]


def test_the_old_leader_is_no_new_one(tmp_path: Path) -> None:
    there = [*looks(1, "etcd-0", 2, *ALL), *looks(3, "etcd-0", 2, *ALL)]
    assert verdict(NewLeaderChecker(within=5), seen(tmp_path, there)) == (
        False,
        "etcd-0 led before, and nobody else after",
    )


def test_two_leaders_of_one_term_are_seen(tmp_path: Path) -> None:
    one = [*looks(1, "etcd-0", 2, *ALL), *looks(4, "etcd-1", 3, *ALL)]
    assert verdict(OneLeaderChecker(), seen(tmp_path / "a", one)) == (True, "term 2: etcd-0, term 3: etcd-1")
    two = [*one, *looks(5, "etcd-2", 3, "etcd-2")]
    assert verdict(OneLeaderChecker(), seen(tmp_path / "b", two))[0] is False
    nobody_at_last = [*one, *looks(5, "etcd-2", 4, "etcd-1")]
    assert verdict(OneLeaderChecker(), seen(tmp_path / "c", nobody_at_last))[0] is False


def test_a_leader_that_is_cut_off_must_fall_silent(tmp_path: Path) -> None:
    silent = [*looks(1, "etcd-0", 2, *ALL), *looks(6, "etcd-0", 2, "etcd-0", silent=["etcd-0"])]
    assert verdict(NoOldNewsChecker(), seen(tmp_path / "a", silent)) == (
        True,
        "etcd-0 was asked 1 times and answered 0 times",
    )
    talks = [*silent, *looks(7, "etcd-0", 2, "etcd-0")]
    assert verdict(NoOldNewsChecker(), seen(tmp_path / "b", talks))[0] is False
    early = [*looks(3, "etcd-0", 2, "etcd-0"), *looks(11, "etcd-0", 2, "etcd-0")]
    assert verdict(NoOldNewsChecker(), seen(tmp_path / "c", early))[1].startswith("no data: nobody looked at etcd-0")


@pytest.mark.parametrize("one", [NewLeaderChecker(within=5), OneLeaderChecker(), NoOldNewsChecker()])
def test_without_a_look_nothing_is_known(one: BaseChecker, tmp_path: Path) -> None:
    assert verdict(one, seen(tmp_path))[1].startswith("no data: nobody looked at the etcd members")


@pytest.mark.parametrize(
    ("one", "passed", "saw"),
    [
        (ListedChecker(workers=1, within=5), True, "listed 1 workers 4.0 s after it was begun"),
        (ListedChecker(workers=1, within=3), False, "4.0 s"),
        (ListedChecker(workers=2, within=5, healed=True), True, "listed 2 workers 3.0 s after it was taken back"),
        (ListedChecker(workers=3, within=50), False, "never after it was begun"),
    ],
)
def test_how_many_are_listed_and_when(one: BaseChecker, passed: bool, saw: str, tmp_path: Path) -> None:
    given = seen(tmp_path)
    lists = {1: ["a", "b"], 3: ["a", "b"], 6: ["a"], 13: ["a"], 15: ["a", "b"]}
    lines = [Look(BEGIN + at, [], listed, [], []) for at, listed in lists.items()]
    (tmp_path / ROSTER).write_text("".join(json.dumps(dataclasses.asdict(line)) + "\n" for line in lines))
    said = verdict(one, given)
    assert (said[0], saw in said[1]) == (passed, True), said


def test_a_pause_between_answers(tmp_path: Path) -> None:
    steady = seen(tmp_path / "a", records=[record(i, i / 2) for i in range(10)])
    assert verdict(PauseChecker(within=1), steady) == (True, "the longest time without a complete answer was 0.5 s")
    records = [record(i, i / 2) for i in range(10) if i not in (4, 5, 6)]
    assert verdict(PauseChecker(within=1), seen(tmp_path / "b", records=records))[0] is False
    assert verdict(PauseChecker(within=1), seen(tmp_path / "c", records=[record(0, 0)]))[1].startswith("no data: fewer")


def test_service_after_the_end_of_a_fault(tmp_path: Path) -> None:
    def records(last_bad: float) -> list[dict[str, Any]]:
        return [record(i, i / 2) if not 2 <= i / 2 <= last_bad else failed(i, i / 2) for i in range(44)]

    good = seen(tmp_path / "a", records=records(13.0))
    assert verdict(ServedAgainChecker(within=3), good)[0]
    assert not verdict(ServedAgainChecker(within=1), good)[0]
    never = seen(tmp_path / "b", records=records(99.0))
    assert verdict(ServedAgainChecker(within=50), never) == (False, "it was never served again")
    forever = dataclasses.replace(GONE, end=None)
    assert verdict(ServedAgainChecker(within=5), seen(tmp_path / "c", (), forever))[1].startswith(
        "no data: nothing was"
    )
