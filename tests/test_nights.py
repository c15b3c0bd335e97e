"""Nights: which failures they have, and when each of them was recovered from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.checkers import judge
from support.errors import UsageError
from support.nights import FROZEN_FOR, KINDS, EveryRecoveryChecker, night
from support.report.timeline import FaultMark
from support.scenarios import Failure
from tests.made_records import BEGIN, failed, record
from tests.test_checkers import context

EVERY = 20.0


def test_the_first_failure_comes_at_once_and_the_others_at_their_times() -> None:
    failures = night(every=EVERY, times=3)
    assert [one.after_seconds for one in failures] == [None, EVERY, EVERY]
    assert {one.target for one in failures} == {"one worker"}


def test_each_round_has_every_kind_once_in_an_order_of_its_own() -> None:
    kinds = [one.type for one in night(every=60, times=30)]
    rounds = [kinds[at : at + len(KINDS)] for at in range(0, 28, len(KINDS))]
    assert all(sorted(one) == sorted(KINDS) for one in rounds)
    assert len({tuple(one) for one in rounds}) > 1


def test_a_seed_gives_the_same_night_again_and_another_one_another() -> None:
    def kinds(seed: int) -> list[str]:
        return [one.type for one in night(every=EVERY, times=12, seed=seed)]

    assert kinds(1) == kinds(1) != kinds(2)


def test_only_who_is_frozen_is_given_back() -> None:
    lasts = {one.type: one.lasts for one in night(every=EVERY, times=len(KINDS))}
    assert lasts == {"kill": None, "terminate": None, "restart": None, "pause": FROZEN_FOR}


@pytest.mark.parametrize(("every", "times"), [(15, 3), (60, 0), (-1, 1)])
def test_a_night_that_shows_nothing_is_refused(every: float, times: int) -> None:
    with pytest.raises(UsageError, match="say at least 1, at most every 16 seconds"):
        night(every=every, times=times)


def verdict(path: Path, records: list[dict[str, Any]], *, faults: tuple[float, ...] = (2.0, 22.0)) -> tuple[bool, str]:
    """Whether each of these faults, at so many seconds, was recovered from within 3 seconds; and what was seen."""
    seen = context(path, records)
    seen.journal.marks.clear()
    for at in faults:
        seen.journal.add(FaultMark("killed", f"w-{at:g}", BEGIN + at, BEGIN + at))
    (said,) = judge([EveryRecoveryChecker(within=3)], seen)
    return said.passed, said.saw


def load(*bad: float) -> list[dict[str, Any]]:
    """40 seconds of two requests a second, of which those that are due at these times fail."""
    return [(failed if at in bad else record)(number, at) for number, at in enumerate(each / 2 for each in range(80))]


def test_every_failure_is_judged_by_itself(tmp_path: Path) -> None:
    assert verdict(tmp_path / "good", load(2.5, 23.5)) == (
        True,
        "2 failures, all as before after at most 2.00 s; late: none",
    )
    assert verdict(tmp_path / "first", load(2.5, 7.5)) == (
        False,
        "2 failures, all as before after at most 6.00 s; late: w-2 killed: 6.00 s",
    )


def test_a_failure_that_was_never_recovered_from_is_late_although_the_next_one_was(tmp_path: Path) -> None:
    passed, saw = verdict(tmp_path, load(*(each / 2 for each in range(4, 44, 4))))
    assert not passed
    assert saw.endswith("late: w-2 killed: never")


def test_a_night_without_failures_is_no_night(tmp_path: Path) -> None:
    assert verdict(tmp_path, load(), faults=()) == (False, "no data: nothing was done to the deployment")


def test_its_failures_are_failures() -> None:
    assert all(isinstance(one, Failure) for one in night(every=EVERY, times=1))
