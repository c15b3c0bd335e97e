"""Checkers: each sees what it is for, fails without data, and cannot be passed by looking at nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.checkers import (
    BaseChecker,
    LatencyChecker,
    LogChecker,
    MetricsConsistencyChecker,
    MigrationChecker,
    NewcomersHearChecker,
    NoHungRequestChecker,
    NoLeakChecker,
    NoSilenceChecker,
    NoTokenLostChecker,
    RecoveryTimeChecker,
    RejectionChecker,
    SuccessRateChecker,
    ValidationContext,
    WholeLoadChecker,
    checker,
    expect,
    judge,
)
from support.errors import UsageError
from support.faults.journal import Journal
from support.report.timeline import FaultMark
from support.results import Results
from tests.made_records import BEGIN, THREE, failed, folder, record

GOOD = [record(i, i * 0.25) for i in range(40)]
COUNTED = {"migrations_total": 2.0, "rejections_total": 0.0, "requests_total": 40.0, "requests_succeeded": 40.0}
HELD = {"rss_mb": 100.0, "fds": 20.0, "threads": 8.0, "running": 0.0, "in_flight": 0.0}


def context(path: Path, records: list[dict[str, Any]], **other: Any) -> ValidationContext:
    journal = Journal(None)  # type: ignore[arg-type]  # nothing is injected here
    journal.add(FaultMark("killed", "w", BEGIN + 2, BEGIN + 2))
    known: dict[str, Any] = {
        "counted": COUNTED,
        "before": {"vllm-worker-0": HELD},
        "after": {"vllm-worker-0": HELD},
        "logs": lambda: {"vllm-worker-0": "all is well", "w": "Traceback (most recent call last)"},
    }
    loaded = Results(folder(path, records, phases=THREE, fault=2.0))
    return ValidationContext(name="x", log_dir=path, loaded=loaded, journal=journal, **(known | other))


ALL: list[BaseChecker] = [
    LatencyChecker(at_most_ms=600),
    LogChecker(),
    MetricsConsistencyChecker(),
    MigrationChecker(),
    NewcomersHearChecker(within=1, after=0.5),
    NoHungRequestChecker(),
    NoLeakChecker(),
    NoSilenceChecker(within=1),
    NoTokenLostChecker(),
    RecoveryTimeChecker(within=1),
    SuccessRateChecker(),
    WholeLoadChecker(),
]


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.name)
def test_a_good_load_passes_and_says_what_was_seen(one: BaseChecker, tmp_path: Path) -> None:
    (verdict,) = judge([one], context(tmp_path, GOOD))
    assert verdict.passed, verdict
    assert verdict.saw not in ("", "true")


LOST = record(50, 3.0, lost=1)
HUNG = record(
    50, 3.0, 9.0, status="error", error_class="timeout", first_token=None, tokens=0, gaps_ms=[], last_gap_ms=None
)
BROKEN: dict[str, tuple[BaseChecker, list[dict[str, Any]], dict[str, Any], str]] = {
    "late": (LatencyChecker(at_most_ms=400), GOOD, {}, "p99_latency_ms was 500 ms"),
    "a crash": (
        LogChecker(),
        GOOD,
        {"logs": lambda: {"frontend-0": "thread 'x' panicked at y"}},
        "frontend-0: panicked",
    ),
    "counters that do not move": (
        MetricsConsistencyChecker(),
        GOOD,
        {"counted": dict.fromkeys(COUNTED, 0.0)},
        "answered in full: 0 counted, 40 seen",
    ),
    "no migration": (MigrationChecker(), GOOD, {"counted": COUNTED | {"migrations_total": 0.0}}, "0 migrations"),
    "a hung request": (NoHungRequestChecker(), [*GOOD, HUNG], {}, "1 hung"),
    "silence": (NoSilenceChecker(within=5), [*GOOD, HUNG], {}, "the longest silence was 9.00 s"),
    "a newcomer that waits": (
        NewcomersHearChecker(within=5, after=0.5),
        [*GOOD, HUNG],
        {},
        "newcomers waited 9.00 s",
    ),
    "a slot that is not given back": (
        NoLeakChecker(),
        GOOD,
        {"after": {"vllm-worker-0": HELD | {"running": 1.0}}},
        "vllm-worker-0 still has 1 running",
    ),
    "descriptors that pile up": (
        NoLeakChecker(),
        GOOD,
        {"after": {"vllm-worker-0": HELD | {"fds": 200.0}}},
        "180 more fds",
    ),
    "memory that piles up": (
        NoLeakChecker(),
        GOOD,
        {"after": {"vllm-worker-0": HELD | {"rss_mb": 200.0}}},
        "100 more rss_mb",
    ),
    "a lost token": (NoTokenLostChecker(), [*GOOD, LOST], {}, "1 were lost"),
    "a repeated token": (NoTokenLostChecker(), [*GOOD, LOST | {"lost": 0, "repeated": 2}], {}, "2 repeated"),
    "no recovery": (RecoveryTimeChecker(within=1), [*GOOD, failed(50, 5.0)], {}, "all answered never"),
    "answers that stay slow": (
        RecoveryTimeChecker(within=1),
        [record(i, i * 0.25, 0.5 if i < 8 else 2.0) for i in range(60)],
        {},
        r"all answered 0.00 s, as quickly as before \(nine in ten within 500 ms\) never",
    ),
    "one failure": (SuccessRateChecker(), [*GOOD, failed(50, 3.0)], {}, "40 of 41 requests .*1 http 500"),
    "a request that was never sent": (WholeLoadChecker(), [*GOOD, record(50, 3.0, turn=1)], {}, "1 never sent"),
    "rejected afterwards": (
        RejectionChecker(),
        [*GOOD, failed(50, 3.0, status=503), failed(51, 5.0, status=503)],
        {},
        "0 before, 1 during, 1 after",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_a_checker_is_for_turns_it_red(what: str, tmp_path: Path) -> None:
    one, records, other, saw = BROKEN[what]
    with pytest.raises(AssertionError, match=saw):
        expect([one], context(tmp_path, records, **other))


@pytest.mark.parametrize("one", [*ALL, RejectionChecker()], ids=lambda one: one.name)
def test_without_data_every_checker_fails(one: BaseChecker, tmp_path: Path) -> None:
    nothing = context(tmp_path, [], counted={}, before={}, after={}, logs=dict)
    nothing.journal.marks.clear()
    (verdict,) = judge([one], nothing)
    assert not verdict.passed
    assert verdict.saw.startswith("no data")


class GuidesChecker(BaseChecker):
    """As the guide prints it."""

    def check(self, context: ValidationContext) -> bool:
        migrations = context.metrics.get("migrations_total", 0)
        return migrations > 0


class LooksAtNothing(BaseChecker):
    def check(self, context: ValidationContext) -> bool:
        return True


class Raises(BaseChecker):
    def check(self, context: ValidationContext) -> bool:
        raise ZeroDivisionError("by nought")


def test_the_guides_checker_works_as_printed(tmp_path: Path) -> None:
    assert judge([GuidesChecker()], context(tmp_path / "a", GOOD))[0].passed
    assert not judge([GuidesChecker()], context(tmp_path / "b", GOOD, counted={"migrations_total": 0.0}))[0].passed


def test_a_checker_that_looks_at_nothing_or_raises_has_failed(tmp_path: Path) -> None:
    nothing, raised = judge([LooksAtNothing(), Raises()], context(tmp_path, GOOD))
    assert (nothing.passed, nothing.saw) == (False, "no data: it looked at nothing")
    assert not raised.passed
    assert "raised ZeroDivisionError: by nought" in raised.saw


def test_checkers_are_found_by_class_and_combined(tmp_path: Path) -> None:
    good, bad = checker("SuccessRateChecker"), checker("LatencyChecker", at_most_ms=1)
    seen = judge([good & bad, good | bad, ~bad, good & GuidesChecker()], context(tmp_path, GOOD))
    assert [verdict.passed for verdict in seen] == [False, True, True, True]
    assert "requests were answered" in seen[0].saw
    assert "p99_latency_ms" in seen[0].saw
    with pytest.raises(UsageError, match="no checker 'Sucess'"):
        checker("Sucess")
    with pytest.raises(UsageError, match="does not take speed"):
        checker("LatencyChecker", speed=1)
