"""How long a load took until it was answered as before."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from support.load.run import Progress
from support.report.timeline import FaultMark
from support.results import STEADY_WINDOW, Records, Recovery, Results
from support.under_load import UnderLoad
from tests.made_records import BEGIN, THREE, failed, folder, left, record

FAULT = BEGIN + 2


def seen(path: Path, made: list[dict[str, Any]], *, until: float | None = None) -> Recovery:
    """Of a load with a fault 2 seconds after its begin."""
    return Results(folder(path, made, phases=THREE, fault=2.0)).recovery(FAULT, until=until)


def every(seconds: float, count: int, *, slow: range = range(0), took: float = 3.0) -> list[dict[str, Any]]:
    """So many requests of half a second, one every so often; those with a number in `slow` took longer."""
    return [record(i, i * seconds, took if i in slow else 0.5) for i in range(count)]


def test_it_is_when_every_later_request_is_answered(tmp_path: Path) -> None:
    before = [record(100 + i, i * 0.5) for i in range(3)]
    made = [failed(i, 2 + i * 0.5) if 0 < i < 5 else record(i, 2 + i * 0.5) for i in range(30)]
    recovered = seen(tmp_path, before + made)
    assert recovered.first_success == pytest.approx(0.5)
    assert recovered.steady == recovered.as_before == pytest.approx(2.5)
    assert recovered.usual_ms == pytest.approx(500)


def test_those_whose_clients_left_hold_it_up_no_longer(tmp_path: Path) -> None:
    made = [left(i, i * 0.5) if i % 2 else record(i, i * 0.5) for i in range(30)]
    recovered = seen(tmp_path, made)
    assert (recovered.steady, recovered.as_before) == (0.0, 0.0)


def test_a_lull_between_errors_is_none(tmp_path: Path) -> None:
    made = [failed(i, 2 + i * 0.5) if i % 8 == 7 else record(i, 2 + i * 0.5) for i in range(30)]
    recovered = seen(tmp_path, made)
    assert recovered.steady is recovered.as_before is None


def test_late_answers_are_no_recovery_although_each_was_whole(tmp_path: Path) -> None:
    """As of a worker that is frozen for 4 seconds and goes on."""
    recovered = seen(tmp_path, every(0.1, 200, slow=range(20, 60)))
    assert recovered.steady == 0.0
    assert recovered.as_before == pytest.approx(4.0)


def test_answers_that_stay_slow_are_none(tmp_path: Path) -> None:
    recovered = seen(tmp_path, every(0.1, 200, slow=range(20, 200)))
    assert recovered.steady == 0.0
    assert recovered.as_before is None


@pytest.mark.parametrize(("slow", "as_before"), [(range(50, 51), 0.0), (range(50, 52), 4.0)])
def test_one_late_answer_in_ten_is_noise_and_two_are_a_slow_second(
    slow: range, as_before: float, tmp_path: Path
) -> None:
    assert seen(tmp_path, every(0.1, 200, slow=slow)).as_before == pytest.approx(as_before)


@pytest.mark.parametrize(("took", "as_before"), [(1.49, 0.0), (1.51, 4.0)])
def test_late_is_more_than_three_times_as_long_as_before(took: float, as_before: float, tmp_path: Path) -> None:
    made = every(0.1, 200, slow=range(50, 60), took=took)
    assert seen(tmp_path, made).as_before == pytest.approx(as_before)


def test_of_short_answers_a_quarter_of_a_second_more_is_noise(tmp_path: Path) -> None:
    made = [record(i, i * 0.1, 0.2 if i in range(50, 60) else 0.01) for i in range(200)]
    assert seen(tmp_path, made).as_before == 0.0


def test_without_a_baseline_only_success_is_judged(tmp_path: Path) -> None:
    made = every(0.1, 200, slow=range(20, 60))
    recovered = Results(folder(tmp_path, made)).recovery(FAULT)
    assert recovered.as_before == recovered.steady == 0.0
    assert recovered.usual_ms is None


def test_what_was_due_after_the_oldest_that_waits_says_nothing_yet(tmp_path: Path) -> None:
    made = every(0.1, 200)
    assert seen(tmp_path / "a", made).as_before == 0.0
    assert seen(tmp_path / "b", made, until=FAULT + 3).as_before is None


def test_what_is_slow_when_enough_was_seen_is_not_blamed_and_what_fails_is(tmp_path: Path) -> None:
    made = [*every(0.1, 150), record(500, 15.1, 3.0)]
    whole = Results(folder(tmp_path / "slow", made, phases=THREE, fault=2.0))
    assert whole.recovery(FAULT).as_before is None
    assert whole.recovery(FAULT, quick_until=BEGIN + 15).as_before == 0.0
    broken = Results(folder(tmp_path / "broken", [*made, failed(501, 15.2)], phases=THREE, fault=2.0))
    assert broken.recovery(FAULT, quick_until=BEGIN + 15).as_before is None


def test_no_request_after_the_fault_is_none(tmp_path: Path) -> None:
    recovered = seen(tmp_path, every(0.1, 15))
    assert recovered.first_success is recovered.steady is recovered.as_before is None


@pytest.mark.parametrize(("due", "as_before"), [(9.7, 0.0), (4.0, None)])
def test_who_is_caught_by_the_next_failure_is_not_held_against_this_one(
    due: float, as_before: float | None, tmp_path: Path
) -> None:
    """The next failure comes at 10 s; a request that was due long before it, and still waits then, is this one's."""
    made = [*every(0.1, 100), *(record(500 + i, due + i / 100, 10 - due + 7) for i in range(9))]
    recovered = seen(tmp_path, made, until=BEGIN + 10)
    assert recovered.as_before == (None if as_before is None else pytest.approx(as_before))


def test_who_waits_for_it_sees_it_when_the_window_is_over(tmp_path: Path) -> None:
    made = [failed(i, i * 0.5) if 4 <= i < 9 else record(i, i * 0.5) for i in range(30)]
    load = folder(tmp_path, made, phases=THREE, fault=2.0)
    with (load / "records-0000.jsonl").open("a") as written:
        written.write('{"schema": 1, "load"')  # the client writes the next one just now
    moments = [FAULT + half / 2 for half in range(24)]
    seen_then = {at: Records(load).as_before(FAULT, until=at) for at in moments}
    good_from, takes = BEGIN + 4.5, 0.5
    assert seen_then == {at: at > good_from + STEADY_WINDOW + takes for at in moments}
    assert seen_then == {at: Results(load).recovery(FAULT, until=at).as_before is not None for at in moments}


def test_who_waits_for_it_does_not_overlook_who_has_failed_since(tmp_path: Path) -> None:
    """Those that Dynamo refuses fail at once, while older ones are still being answered."""
    answered = every(0.1, 100)
    load = folder(tmp_path / "a", answered, phases=THREE, fault=2.0)
    broken = folder(tmp_path / "b", [*answered, failed(100, 9.5)], phases=THREE, fault=2.0)
    assert Records(load).as_before(FAULT, until=BEGIN + 9)
    assert not Records(broken).as_before(FAULT, until=BEGIN + 9)


@pytest.mark.parametrize(("ended", "as_before"), [(8.0, True), (9.5, False), (None, True)])
def test_who_waits_for_it_sees_the_fault_end_first(ended: float | None, as_before: bool, tmp_path: Path) -> None:
    """What was sent while the fault was there still waits, and nobody knows how it ends."""
    mark = FaultMark("cut", "vllm-worker-1", FAULT, None if ended is None else BEGIN + ended)
    waiting = SimpleNamespace(
        folder=folder(tmp_path, every(0.1, 100), phases=THREE, fault=2.0),
        _load=SimpleNamespace(progress=Progress(oldest=BEGIN + 9), clock_offset=0.0),
        _journal=SimpleNamespace(marks=[mark]),
    )
    assert UnderLoad._as_before(cast(UnderLoad, waiting), FAULT) is as_before
