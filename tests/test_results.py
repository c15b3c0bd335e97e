"""What is computed from records, and every way in which records can be wrong."""

from __future__ import annotations

import dataclasses
import itertools
import json
from pathlib import Path
from typing import Any

import numpy
import polars as pl
import pytest

from support.errors import UsageError
from support.load.plan import LoadPlan, arrivals
from support.results import Limits, Results, process_overflow_recovery_test, summary
from support.results import read as read_module
from support.results import results as results_module
from support.results.histogram import GRAIN
from tests.made_records import BEGIN, THREE, failed, folder, left, record


def test_percentiles_are_pooled_over_requests_from_when_they_were_due(tmp_path: Path) -> None:
    took = numpy.random.default_rng(1).uniform(0.1, 3.0, 500)
    results = Results(folder(tmp_path, [record(i, i * 0.01, float(each)) for i, each in enumerate(took)]))
    for name, share in {"p50": 50, "p90": 90, "p95": 95, "p99": 99}.items():
        assert getattr(results.overall, f"{name}_latency_ms") == pytest.approx(
            numpy.percentile(took, share) * 1000, rel=GRAIN
        )
        assert getattr(results.overall, f"{name}_ttft_ms") == pytest.approx(
            numpy.percentile(took, share) * 500, rel=GRAIN
        )
    assert results.overall.max_latency_ms == pytest.approx(took.max() * 1000, abs=0.01)


def test_percentiles_of_gaps_are_within_one_percent_and_the_longest_is_exact(tmp_path: Path) -> None:
    gaps = numpy.random.default_rng(2).lognormal(2, 1, (100, 40))
    made = [record(i, i * 0.01, gaps_ms=[round(float(gap), 3) for gap in row]) for i, row in enumerate(gaps)]
    seen = Results(folder(tmp_path, made)).overall
    assert seen.p50_gap_ms == pytest.approx(numpy.percentile(gaps, 50), rel=GRAIN)
    assert seen.p99_gap_ms == pytest.approx(numpy.percentile(gaps, 99), rel=GRAIN)
    assert seen.max_gap_ms == pytest.approx(gaps.max(), abs=0.001)


def test_a_request_belongs_to_the_phase_it_lies_in_and_those_that_cross_a_border_are_told_apart(tmp_path: Path) -> None:
    made = [record(0, 0.5), record(1, 1.8), record(2, 2.5), record(3, 3.9), record(4, 5.0), record(5, 1.0, 4.0)]
    phases = Results(folder(tmp_path, made, phases=THREE)).phases
    assert {name: part.requests for name, part in phases.items()} == {
        "STANDARD": 1,
        "STANDARD to OVERFLOW": 1,
        "OVERFLOW": 1,
        "OVERFLOW to RECOVERY": 1,
        "RECOVERY": 1,
        "STANDARD to RECOVERY": 1,
    }
    assert [name for name, part in phases.items() if part.crossing] == [name for name in phases if " to " in name]


def test_those_whose_clients_left_are_no_failures_and_those_that_were_given_up_are(tmp_path: Path) -> None:
    stayed = [record(i, i * 0.1) for i in range(10)]
    gone = [left(10 + i, i * 0.1) for i in range(5)]
    seen = Results(folder(tmp_path / "left", [*stayed, *gone])).overall
    assert (seen.requests, seen.completed, seen.cancelled, seen.left) == (15, 10, 5, 5)
    assert (seen.success_rate, seen.errors, seen.hung) == (100.0, {}, 0)
    given_up = [one | {"leaves_after": None} for one in gone]
    seen = Results(folder(tmp_path / "given up", [*stayed, *given_up])).overall
    assert (seen.cancelled, seen.left) == (5, 0)
    assert seen.success_rate == pytest.approx(200 / 3)
    of_all = Results(folder(tmp_path / "all", gone)).overall
    assert (of_all.left, of_all.success_rate) == (5, 0.0)


def test_errors_are_counted_by_class_and_status_and_rejected_ones_have_their_own_latency(tmp_path: Path) -> None:
    made = [record(0, 0.0), failed(1, 0.1, 0.02, status=503), failed(2, 0.2, 0.04, status=503), failed(3, 0.3)]
    made.append(record(4, 0.4, status="error", error_class="timeout", lost=None))
    seen = Results(folder(tmp_path, made)).overall
    assert seen.errors == {"http 500": 1, "http 503": 2, "timeout": 1}
    assert (seen.requests, seen.completed, seen.hung, seen.success_rate) == (5, 1, 1, 20.0)
    assert seen.p50_rejected_ms == pytest.approx(40, abs=0.1)
    assert seen.max_latency_ms == pytest.approx(500, abs=0.1)


def test_goodput_counts_answers_within_the_limits(tmp_path: Path) -> None:
    path = folder(tmp_path, [record(i, i * 0.1, 0.2 + i * 0.1) for i in range(10)])
    assert Results(path).overall.goodput_rps > Results(path, limits=Limits(latency_ms=500)).overall.goodput_rps > 0
    assert Results(path, limits=Limits(gap_ms=5)).overall.goodput_rps == 0


def test_silence_is_the_longest_wait_for_any_sign_of_life(tmp_path: Path) -> None:
    silent = record(
        1, 0.0, 9.0, first_token=None, tokens=0, gaps_ms=[], last_gap_ms=None, status="error", error_class="timeout"
    )
    assert Results(folder(tmp_path / "a", [record(0, 0.0), silent])).overall.max_silence_ms == pytest.approx(9000)
    ending = record(1, 0.0, 9.0, first_token=BEGIN + 0.1, last_gap_ms=7000.0)
    assert Results(folder(tmp_path / "b", [record(0, 0.0), ending])).overall.max_silence_ms == 7000


def test_what_was_never_sent_is_missed(tmp_path: Path) -> None:
    plan = LoadPlan(base_url="http://f", model="m", clients=3, requests_per_client=2)
    made = [record(client, turn * 1.0, turn=turn) for client in range(2) for turn in range(2)]
    assert Results(folder(tmp_path / "closed", made, plan=plan, how="done")).never_sent == 2
    assert Results(folder(tmp_path / "holes", [record(0, 0.0), record(0, 1.0, turn=3)])).never_sent == 2


def test_arrivals_that_were_never_sent_are_missed(tmp_path: Path) -> None:
    plan = LoadPlan(base_url="http://f", model="m", rate=10, requests=40, seed=3)
    made = [record(one.number, one.due) for one in arrivals(plan)]
    assert Results(folder(tmp_path / "whole", made, plan=plan, how="done")).never_sent == 0
    assert Results(folder(tmp_path / "half", made[::2], plan=plan, how="done")).never_sent == 20
    assert Results(folder(tmp_path / "stopped", made[:30:2], plan=plan, how="stopped")).never_sent == 14


SESSIONS = LoadPlan(base_url="http://f", model="m", rate=10, requests=60, turns_per_session=3, seed=3)


def sessions(plan: LoadPlan, *, until: float = float("inf"), owing: int | None = None) -> list[dict[str, object]]:
    """Every session's turns, half a second each, up to the one that is due then; one session ends after its first."""
    made = []
    for one in itertools.takewhile(lambda arrival: arrival.due < until, arrivals(plan)):
        turns = 1 if one.number == owing else plan.turns_per_session
        due = [one.due + 0.6 * turn for turn in range(turns)]
        made += [record(one.number, at, turn=turn) for turn, at in enumerate(due) if at < until]
    return made


def test_last_turns_of_a_session_that_were_never_sent_are_missed(tmp_path: Path) -> None:
    def never_sent(name: str, plan: LoadPlan, made: list[dict[str, object]], how: str) -> int:
        return Results(folder(tmp_path / name, made, plan=plan, how=how)).never_sent

    assert never_sent("whole", SESSIONS, sessions(SESSIONS), "done") == 0
    assert never_sent("owing", SESSIONS, sessions(SESSIONS, owing=4), "done") == 2
    assert never_sent("last", SESSIONS, [one for one in sessions(SESSIONS) if one["client"] != 19], "done") == 3
    assert never_sent("stopped", SESSIONS, sessions(SESSIONS, until=4), "stopped") == 0
    assert never_sent("stopped owing", SESSIONS, sessions(SESSIONS, until=4, owing=4), "stopped") == 1
    timed = dataclasses.replace(SESSIONS, requests=None, duration=5.0)
    assert never_sent("timed", timed, sessions(timed, until=5), "done") == 0
    assert never_sent("timed owing", timed, sessions(timed, until=5, owing=4), "done") == 1


def test_a_client_that_falls_silent_is_missed(tmp_path: Path) -> None:
    plan = LoadPlan(base_url="http://f", model="m", clients=3, think=0.5)
    made = [record(client, turn * 1.0, turn=turn) for client in range(3) for turn in range(9)]
    silent = [one for one in made if one["client"] or one["turn"] < 4]
    assert Results(folder(tmp_path / "whole", made, plan=plan)).never_sent == 0
    assert Results(folder(tmp_path / "silent", silent, plan=plan)).never_sent == 1
    slow = [*silent, record(0, 4.0, 4.6, turn=4)]
    assert Results(folder(tmp_path / "slow", slow, plan=plan)).never_sent == 0
    assert Results(folder(tmp_path / "thinks", silent, plan=dataclasses.replace(plan, think=9))).never_sent == 0
    sent = folder(tmp_path / "sent", silent, plan=plan)
    (sent / "end-0000.json").write_text(json.dumps({"started": len(silent) + 1, "ended": 0, "how": "stopped"}))
    assert (Results(sent).unfinished, Results(sent).never_sent) == (1, 0), "it was sent, and has not ended"
    (sent / "end-0000.json").unlink()
    assert Results(sent).never_sent == 0, "of a client that was killed nobody knows"


def test_when_all_fall_silent_the_end_of_the_load_tells(tmp_path: Path) -> None:
    plan = LoadPlan(base_url="http://f", model="m", clients=3, shards=2)
    made = [record(client, turn * 1.0, turn=turn) for client in range(3) for turn in range(5)]
    assert Results(folder(tmp_path / "unknown", made, plan=dataclasses.replace(plan, shards=1))).never_sent == 0
    path = folder(tmp_path / "known", made, plan=plan, sent_until=9.0)
    other = {"started": 0, "ended": 0, "how": "stopped"}
    for until, missing in ((None, 3), (BEGIN + 9, 3), (BEGIN + 5, 0)):
        (path / "end-0001.json").write_text(json.dumps(other | {"sent_until": until}))
        assert Results(path).never_sent == missing, until
    (path / "end-0001.json").write_text(json.dumps(other))
    assert Results(path).never_sent == 3, "one that does not say it leaves the others' word"


def test_arrivals_that_were_due_when_nothing_was_sent_any_more_are_missed(tmp_path: Path) -> None:
    plan = LoadPlan(base_url="http://f", model="m", rate=10, seed=3)
    made = [record(one.number, one.due) for one in itertools.takewhile(lambda one: one.due < 4, arrivals(plan))]
    due = sum(4 <= one.due <= 8 for one in itertools.islice(arrivals(plan), 200))
    assert Results(folder(tmp_path / "stopped", made, plan=plan, sent_until=4.5)).never_sent == 0
    assert Results(folder(tmp_path / "silent", made, plan=plan, sent_until=9.0)).never_sent == due > 20


def test_of_clients_that_a_duration_cut_off_nothing_is_missed(tmp_path: Path) -> None:
    plan = LoadPlan(base_url="http://f", model="m", clients=3, requests_per_client=20, duration=9.0)
    made = [record(client, turn * 1.0, 0.99, turn=turn) for client in range(3) for turn in range(9)]
    assert Results(folder(tmp_path, made, plan=plan, how="done")).never_sent == 0
    assert Results(folder(tmp_path / "silent", made[:23], plan=plan, how="done")).never_sent == 1


def test_a_request_that_is_there_twice_is_told(tmp_path: Path) -> None:
    made = [record(0, 0.0), record(1, 0.1), record(0, 0.2, request_id="another"), record(0, 0.3, turn=2)]
    results = Results(folder(tmp_path, made))
    assert results.duplicated == 1
    assert results.never_sent == 1, "the one that is there twice must not hide a hole"
    assert results.unfinished == 1, "four were sent, three are there"


def test_a_half_written_last_line_is_left_out_and_told(tmp_path: Path) -> None:
    whole = [record(0, 0.0), failed(1, 0.1, 0.02, status=503)]
    path = folder(tmp_path, whole)
    with (path / "records-0000.jsonl").open("a") as file:
        file.write(json.dumps(record(2, 0.2))[:150])
    results = Results(path)
    assert results.folder.truncated == ["records-0000.jsonl"]
    assert results.overall == Results(folder(tmp_path / "whole", whole)).overall
    assert results.frame.collect().equals(Results(tmp_path / "whole").frame.collect())


def test_a_file_with_half_a_line_is_read_block_by_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder(tmp_path, [record(i, i * 0.1) for i in range(50)], phases=THREE)
    file = path / "records-0000.jsonl"
    whole = folder(tmp_path / "whole", [record(i, i * 0.1) for i in range(50)], phases=THREE)
    file.write_text(file.read_text() + json.dumps(record(50, 5.0))[:-1])
    read, sizes = pl.read_ndjson, list[int]()

    def measured(source: bytes, **options: Any) -> pl.DataFrame:
        sizes.append(len(source))
        return read(source, **options)

    monkeypatch.setattr(pl, "read_ndjson", measured)
    for block in (100, 3000):  # less than a line, and several
        monkeypatch.setattr(read_module, "_BLOCK", block)
        results = Results(path)
        assert results.overall == Results(whole).overall
        assert results.frame.head(7).collect().equals(Results(whole).frame.head(7).collect())
        assert results.frame.filter(pl.col("phase") == "OVERFLOW").select(pl.len()).collect().item() > 0
        assert max(sizes) < 3000 + 1000
    file.write_text(file.read_text().replace('"turn": 0', '"turn": ', 1))
    with pytest.raises(UsageError, match=r"the records in .* cannot be read"):
        Results(path)


def test_records_are_read_while_they_are_written(tmp_path: Path) -> None:
    path = folder(tmp_path, [record(0, 0.0), record(1, 0.1)])
    (path / "end-0000.json").unlink()
    results = Results(path)
    with (path / "records-0000.jsonl").open("a") as file:
        file.write(json.dumps(record(2, 0.2))[:150])
        file.flush()
        assert results.frame.select(pl.len()).collect().item() == 2


def test_a_line_that_is_broken_in_the_middle_is_a_named_error(tmp_path: Path) -> None:
    path = folder(tmp_path, [record(0, 0.0), record(1, 0.1)])
    file = path / "records-0000.jsonl"
    file.write_text(file.read_text().replace('"turn": 0', '"turn": ', 1))
    with pytest.raises(UsageError, match=r"the records in .* cannot be read"):
        Results(path)


def test_batches_add_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = numpy.random.default_rng(4)
    took = chance.exponential(0.5, 300)
    made = [failed(i, i * 0.05) if i % 9 == 8 else record(i, i * 0.05, float(took[i])) for i in range(300)]
    path = folder(tmp_path, made, phases=THREE, fault=2.0)
    whole = Results(path)
    monkeypatch.setattr(results_module, "BATCH", 7)
    parts = Results(path)
    assert list(parts.phases) == list(whole.phases)
    assert (parts.duplicated, parts.never_sent, parts.unfinished) == (0, 0, 0)
    for one, other in [(parts.overall, whole.overall), *((parts.phases[n], whole.phases[n]) for n in whole.phases)]:
        assert one.errors == other.errors
        told = [dataclasses.asdict(each) | {"errors": None} for each in (one, other)]
        assert told[0] == pytest.approx(told[1])


def test_the_guides_results_have_the_whole_and_each_phase(tmp_path: Path) -> None:
    made = [*(record(i, i * 0.1) for i in range(10)), failed(10, 2.5), record(11, 5.0)]
    results = process_overflow_recovery_test(log_dir=str(folder(tmp_path, made, phases=THREE)))
    assert results["success_rate"] == pytest.approx(100 * 11 / 12)
    assert results["OVERFLOW"]["success_rate"] == 0
    assert results["STANDARD"]["p99_latency_ms"] == pytest.approx(500)


def test_the_guides_phases_can_be_folders(tmp_path: Path) -> None:
    for number, phase in enumerate(("standard", "overflow", "recovery")):
        folder(tmp_path / phase, [record(i, 0.1 * i, 0.5 + number) for i in range(4)])
    results = process_overflow_recovery_test(tmp_path)
    assert (results["requests"], results["success_rate"]) == (12, 100.0)
    assert results["RECOVERY"]["p99_latency_ms"] == pytest.approx(2500, abs=1)
    assert results["STANDARD"]["p99_latency_ms"] < results["p99_latency_ms"] <= 2501


def _schema(path: Path) -> None:
    _rewrite(path, lambda one: one | {"schema": 1})


def _rewrite(path: Path, change: object) -> None:
    file = path / "records-0000.jsonl"
    lines = [change(json.loads(line)) for line in file.read_text().splitlines()]  # type: ignore[operator]
    file.write_text("".join(json.dumps(one) + "\n" for one in lines))


WRONG = {
    "another schema": (_schema, "another schema"),
    "load.json of another schema": (
        lambda path: (path / "load.json").write_text('{"schema": 9}'),
        "has schema 9, this version reads 2",
    ),
    "a broken load.json": (lambda path: (path / "load.json").write_text("{"), "load.json is broken"),
    "no load.json": (lambda path: (path / "load.json").unlink(), "holds no load"),
    "two loads": (lambda path: _rewrite(path, lambda one: one | {"load": "other"}), "is mixed"),
    "more shards than planned": (
        lambda path: (path / "records-0007.jsonl").write_text((path / "records-0000.jsonl").read_text()),
        "is mixed",
    ),
    "an end before its begin": (lambda path: _rewrite(path, lambda one: one | {"end": BEGIN - 5}), "clocks went back"),
    "a start before it was due": (
        lambda path: _rewrite(path, lambda one: one | {"start": BEGIN - 5}),
        "clocks went back",
    ),
    "zero requests": (lambda path: (path / "records-0000.jsonl").write_text(""), "zero requests"),
    "broken marks": (lambda path: (path / "marks.json").write_text('{"schema": 1}'), "marks.json is broken"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_records_are_a_named_error_and_never_a_verdict(wrong: str, tmp_path: Path) -> None:
    spoil, words = WRONG[wrong]
    path = folder(tmp_path, [record(0, 0.5), record(1, 1.0)], phases=THREE)
    spoil(path)
    with pytest.raises(UsageError, match=words):
        summary(path)


def test_a_test_without_its_phases_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no request in STANDARD, OVERFLOW, RECOVERY"):
        process_overflow_recovery_test(folder(tmp_path, [record(0, 0.5)]))
    with pytest.raises(UsageError, match="there is no folder"):
        process_overflow_recovery_test(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("limits", "words"),
    [({"ttft_ms": 500.0, "latency_ms": 100.0}, "contradict"), ({"gap_ms": -1.0}, "above 0")],
)
def test_limits_that_contradict_are_refused(limits: dict[str, float], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Limits(**limits)
