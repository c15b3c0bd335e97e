"""What is promised of a load is judged only where the load client was on time."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from support.checkers import BaseChecker, LatencyChecker, SuccessRateChecker, ValidationContext
from support.errors import FaultError
from support.marks import Fault
from support.promises import expect_of_load
from support.world import World
from tests.made_records import BEGIN, failed, record
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


def test_unless_it_was_slowed_on_purpose(tmp_path: Path) -> None:
    records = [record(1, 0.1), sent_late(2, 0.4)]
    neighbour = Fault(name="eating the CPU", target="busy neighbours", begin=BEGIN + 0.5, slows_clients=True)
    seen = loaded(tmp_path, records, neighbour)
    with pytest.raises(AssertionError, match="LatencyChecker: BROKEN: p99_latency_ms was 500 ms"):
        expect_of_load(cast(World, Loaded(seen)), QUICK)


def test_but_it_does_of_what_is_no_matter_of_time(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="SuccessRateChecker: BROKEN"):
        expect(tmp_path, [failed(1, 1.0), sent_late(2, 0.4)], QUICK, SuccessRateChecker())


def test_a_promise_that_is_kept_is_kept_on_a_busy_machine_too(tmp_path: Path) -> None:
    expect(tmp_path, [record(1, 1.0), sent_late(2, 0.4)], LatencyChecker(at_most_ms=600))
