"""What is promised of a load is judged only where the load client was on time."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any, cast

import pytest

from support.checkers import BaseChecker, LatencyChecker, NoTokenLostChecker, SuccessRateChecker, ValidationContext
from support.errors import FaultError, TooBusy, WrongAnswer
from support.marks import Fault
from support.promises import expect_of_load
from support.sampling import CPU_WAIT, waits
from support.world import World
from tests.made_records import BEGIN, failed, record, sampled
from tests.test_checkers_workers import loaded

QUICK = LatencyChecker(at_most_ms=100)


@dataclass
class Loaded:
    """Of a world what a load's promises need."""

    context: ValidationContext
    notes: list[tuple[str, str]] = field(default_factory=list)

    def loaded(self) -> ValidationContext:
        return self.context

    def note(self, name: str, value: str) -> None:
        self.notes.append((name, value))


def expect(path: Path, records: list[dict[str, Any]], *checkers: BaseChecker) -> None:
    expect_of_load(cast(World, Loaded(loaded(path, records))), *checkers)


def sent_late(client: int, seconds: float) -> dict[str, Any]:
    """Answered 0.5 s after it was due, of which the client itself lost so much."""
    return record(client, 1.0, start=BEGIN + 1.0 + seconds, first_token=BEGIN + 1.45)


def test_a_slow_answer_breaks_the_promise(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"^LatencyChecker: BROKEN: p99_latency_ms was 500 ms over 2 answers$"):
        expect(tmp_path, [record(1, 1.0), sent_late(2, 0.2)], QUICK)


def test_a_client_that_is_late_accuses_nobody_of_slowness(tmp_path: Path) -> None:
    with pytest.raises(FaultError, match=r"too busy to tell .* sent \d+ ms after .* \(-j\).*p99_latency_ms was 500 ms"):
        expect(tmp_path, [record(1, 1.0), sent_late(2, 0.4)], QUICK)


def starve(folder: Path, *shares: float) -> None:
    """Samples of frontend-0: one a second, whose threads waited so many seconds in each."""
    taken = accumulate((0.0, *shares))
    sampled(folder, "frontend-0", CPU_WAIT, dict(enumerate(taken)))


def test_a_deployment_without_a_processor_is_not_accused_of_slowness(tmp_path: Path) -> None:
    seen = loaded(tmp_path, [record(1, 1.0)])
    starve(tmp_path, *[0.3] * 10, *[2.5] * 5)
    with pytest.raises(TooBusy, match=r"for 5 seconds the threads of frontend-0 waited 2\.5 s a second .*was 500 ms"):
        expect_of_load(cast(World, Loaded(seen)), QUICK)
    with pytest.raises(AssertionError, match="LatencyChecker: BROKEN"):
        expect_of_load(cast(World, Loaded(seen)), QUICK, ~SuccessRateChecker())


@pytest.mark.parametrize(
    "shares", [[0.5] * 15, [0.2, 0.2, 3.0, 0.2, 0.2, 0.2], [9.0] * 4], ids=["little", "once", "short"]
)
def test_one_that_hardly_waited_is(tmp_path: Path, shares: list[float]) -> None:
    seen = loaded(tmp_path, [record(1, 1.0)])
    starve(tmp_path, *shares)
    with pytest.raises(AssertionError, match="BROKEN"):
        expect_of_load(cast(World, Loaded(seen)), QUICK)


def test_what_was_taken_on_purpose_and_a_new_start_are_no_wait(tmp_path: Path) -> None:
    starve(tmp_path, *[3.0] * 8, -24.0, *[0.1] * 6)
    assert waits(tmp_path, over=5) == {"frontend-0": pytest.approx(3.0)}
    assert waits(tmp_path, over=5, apart_from=[(BEGIN, BEGIN + 8)]) == {"frontend-0": pytest.approx(0.1)}
    assert waits(tmp_path, over=60) == {}


def test_unless_it_was_slowed_on_purpose(tmp_path: Path) -> None:
    records = [record(1, 0.1), sent_late(2, 0.4)]
    neighbour = Fault(name="eating the CPU", target="busy neighbours", begin=BEGIN + 0.5, slows_clients=True)
    seen = loaded(tmp_path, records, neighbour)
    with pytest.raises(AssertionError, match="LatencyChecker: BROKEN: p99_latency_ms was 500 ms"):
        expect_of_load(cast(World, Loaded(seen)), QUICK)


def test_but_it_does_of_what_is_no_matter_of_time(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="SuccessRateChecker: BROKEN"):
        expect(tmp_path, [failed(1, 1.0), sent_late(2, 0.4)], QUICK, SuccessRateChecker())


def test_a_wrong_answer_is_told_as_one(tmp_path: Path) -> None:
    with pytest.raises(WrongAnswer, match=r"LatencyChecker: BROKEN.*NoTokenLostChecker: BROKEN: of .* 1 were lost"):
        expect(tmp_path, [record(1, 1.0, lost=1)], QUICK, NoTokenLostChecker())


def test_a_promise_that_is_kept_is_kept_on_a_busy_machine_too(tmp_path: Path) -> None:
    expect(tmp_path, [record(1, 1.0), sent_late(2, 0.4)], LatencyChecker(at_most_ms=600))
