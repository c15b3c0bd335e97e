"""Checkers of single workers and of what becomes of those who lost theirs: as tests/test_checkers.py."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from support import waiting
from support.checkers import (
    BaseChecker,
    BegunAnswersChecker,
    NoLeakChecker,
    NotReadyChecker,
    OnlyRefusedChecker,
    OthersLatencyChecker,
    PeakMemoryChecker,
    PriorityChecker,
    RisingLatencyChecker,
    RosterChecker,
    ShareChecker,
    StruckAnswersChecker,
    SuccessRateChecker,
    ToldChecker,
    ValidationContext,
    judge,
)
from support.errors import UsageError
from support.marks import Fault, Marks, Phase
from support.results import Results
from support.roster import Look
from tests.made_records import BEGIN, THREE, failed, folder, record, sampled
from tests.test_checkers import HELD, context

SERVING = {"1": "vllm-worker-0", "2": "vllm-worker-1"}
SLOW = Fault(name="slow", target="vllm-worker-0", begin=BEGIN + 2, end=BEGIN + 6)
CUT: dict[str, Any] = {"status": "error", "error_class": "connection_lost", "tokens": 2}


def answers(*workers: int, took: float = 0.5) -> list[dict[str, Any]]:
    """Four a second from the second 2 on, given by these workers."""
    return [record(i, 2 + i / 4, took, worker=str(who)) for i, who in enumerate(workers)]


def loaded(path: Path, records: list[dict[str, Any]], *faults: Fault, **other: Any) -> ValidationContext:
    """A load under these faults."""
    seen = context(path, records, serving=SERVING, **other)
    marks = Marks(phases=Marks.read(path).phases, faults=faults or [SLOW])
    marks.write(path)
    return dataclasses.replace(seen, loaded=Results(path))


def verdict(one: BaseChecker, context: ValidationContext) -> tuple[bool, str]:
    (said,) = judge([one], context)
    return said.passed, said.saw


def test_the_share_of_a_slow_worker_is_of_those_who_came_meanwhile(tmp_path: Path) -> None:
    before = [record(40 + i, i / 4, worker="1") for i in range(4)]
    seen = loaded(tmp_path, [*before, *answers(1, 2, 2, 2)])
    assert verdict(ShareChecker(at_most=25), seen) == (
        True,
        "vllm-worker-0 answered 1 of 4 requests that came then (25 percent)",
    )
    assert not verdict(ShareChecker(at_most=24), seen)[0]


def test_a_share_without_data_or_sense_is_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a share of 0 percent makes no sense"):
        ShareChecker(at_most=0)
    unnamed = loaded(tmp_path / "a", [record(0, 3.0), record(1, 3.0, worker="7")])
    assert verdict(ShareChecker(at_most=25), unnamed)[1].startswith("no data: nobody who came")
    two = loaded(tmp_path / "b", answers(1, 2), SLOW, dataclasses.replace(SLOW, target="vllm-worker-1"))
    assert verdict(ShareChecker(at_most=25), two)[1].startswith("no data: 2 faults lasted for a while")
    moment = loaded(tmp_path / "c", answers(1, 2), dataclasses.replace(SLOW, end=SLOW.begin))
    assert verdict(OthersLatencyChecker(at_most_ms=1000), moment)[1].startswith("no data: 0 faults")


def test_only_the_others_must_be_quick(tmp_path: Path) -> None:
    slow = [record(50, 3.0, 5.0, worker="1")]
    seen = loaded(tmp_path / "a", [*answers(2, 2, 2), *slow])
    assert verdict(OthersLatencyChecker(at_most_ms=600), seen)[0]
    late = loaded(tmp_path / "b", [*answers(2, 2, took=0.9), *slow])
    assert verdict(OthersLatencyChecker(at_most_ms=600), late)[0] is False
    alone = loaded(tmp_path / "c", slow)
    assert verdict(OthersLatencyChecker(at_most_ms=600), alone)[1].startswith("no data: nobody but vllm-worker-0")


def test_each_strain_must_delay_more_than_the_one_before(tmp_path: Path) -> None:
    strains = [
        Fault(name=f"throttle {at}", target="vllm-worker-0", begin=BEGIN + at, end=BEGIN + at + 1.5) for at in (2, 4)
    ]
    quick, slow = record(1, 2.5, 0.5, worker="1"), record(2, 4.5, 0.9, worker="1")
    others = [record(3 + i, 4.5, 0.1, worker="2") for i in range(4)]
    assert verdict(RisingLatencyChecker(), loaded(tmp_path / "a", [quick, slow, *others], *strains)) == (
        True,
        "throttle 2: 500 ms; throttle 4: 900 ms",
    )
    equal = [quick, record(2, 4.5, 0.55, worker="1")]
    assert verdict(RisingLatencyChecker(), loaded(tmp_path / "b", equal, *strains))[0] is False
    silent = loaded(tmp_path / "c", [quick], *strains)
    assert verdict(RisingLatencyChecker(), silent)[1].startswith("no data: vllm-worker-0 answered nobody who asked")
    assert verdict(RisingLatencyChecker(), loaded(tmp_path / "d", [quick]))[1].startswith("no data: 1 faults lasted")


@pytest.mark.parametrize(
    ("ghosts", "passed", "saw"),
    [
        pytest.param([[], ["10.0.0.2"], ["10.0.0.2"], []], True, "at most 1.0 s", id="for a second"),
        pytest.param(
            [[], ["10.0.0.2"], ["10.0.0.2"], ["10.0.0.2"]], False, "10.0.0.2 was listed and not", id="to the end"
        ),
    ],
)
def test_a_ghost_may_be_listed_for_a_while(ghosts: Sequence[list[str]], passed: bool, saw: str, tmp_path: Path) -> None:
    seen = loaded(tmp_path, answers(1, 2))
    there = [["a", "b"], ["a"], ["a"], ["a"]]
    lines = [Look(float(at), there[at], [], [], found) for at, found in enumerate(ghosts)]
    (tmp_path / "roster.jsonl").write_text("".join(json.dumps(dataclasses.asdict(one)) + "\n" for one in lines))
    said = verdict(RosterChecker(within=5), seen)
    assert said[0] is passed
    assert saw in said[1]
    assert verdict(RosterChecker(within=0.5), seen)[0] is False


def test_without_a_look_nobody_knows_the_list(tmp_path: Path) -> None:
    assert verdict(RosterChecker(within=5), loaded(tmp_path, answers(1)))[1] == (
        "no data: nobody looked at the frontend's list"
    )


def test_who_is_cut_off_was_not_told(tmp_path: Path) -> None:
    told = loaded(tmp_path / "a", [*answers(1, 2), failed(50, 3.0), failed(51, 3.0, status=503)])
    assert verdict(ToldChecker(), told) == (True, "told of an error: 2, of nothing: 0")
    cut = loaded(tmp_path / "b", [*answers(1, 2), record(50, 3.0, **CUT)])
    assert verdict(ToldChecker(), cut) == (False, "told of an error: 0, of nothing: 1 (1 connection_lost)")


def test_only_answers_that_had_begun_count(tmp_path: Path) -> None:
    seen = loaded(tmp_path / "a", [*answers(1, 2), failed(50, 3.0)])
    assert verdict(BegunAnswersChecker(), seen)[0]
    cut = loaded(tmp_path / "b", [*answers(1, 2), record(50, 3.0, **CUT)])
    assert verdict(BegunAnswersChecker(), cut) == (
        False,
        "of 3 answers that had begun, 1 connection_lost were not given in full",
    )
    none = loaded(tmp_path / "c", [failed(50, 3.0)])
    assert verdict(BegunAnswersChecker(), none)[1] == "no data: no answer had begun"


def test_only_answers_that_were_being_given_when_it_happened_count(tmp_path: Path) -> None:
    begun = SLOW.begin + 0.4
    struck = dataclasses.replace(SLOW, name="killed", begin=begun, end=begun)
    before = [record(1, SLOW.begin - BEGIN), record(2, SLOW.begin - BEGIN + 0.1)]
    late = [failed(50, begun - BEGIN + 1), failed(51, begun - BEGIN - 0.01)]
    seen = loaded(tmp_path / "a", [*before, *late], struck)
    assert verdict(StruckAnswersChecker(), seen) == (True, "of 2 answers that had begun, none were not given in full")
    cut = loaded(tmp_path / "b", [*before, record(52, SLOW.begin - BEGIN, **CUT)], struck)
    assert verdict(StruckAnswersChecker(), cut)[0] is False
    nobody = loaded(tmp_path / "c", late, struck)
    assert verdict(StruckAnswersChecker(), nobody)[1] == "no data: no answer had begun"


def test_newcomers_are_told_that_nobody_serves_from_then_on(tmp_path: Path) -> None:
    early = [failed(50, 2.5, status=500)]
    later = [failed(60 + i, 3.0 + i / 2, status=503) for i in range(6)]
    lost = dataclasses.replace(SLOW, name="gone", end=BEGIN + 6)
    assert verdict(NotReadyChecker(after=1), loaded(tmp_path / "a", [*early, *later], lost)) == (True, "6 http 503")
    assert verdict(NotReadyChecker(after=0), loaded(tmp_path / "b", [*early, *later], lost))[0] is False
    served = loaded(tmp_path / "c", [*later, record(70, 4.0)], lost)
    assert verdict(NotReadyChecker(after=1), served)[0] is False
    nobody = loaded(tmp_path / "d", early, lost)
    assert verdict(NotReadyChecker(after=1), nobody)[1] == "no data: nobody came in the 3 s"
    short = loaded(tmp_path / "e", later, dataclasses.replace(lost, end=BEGIN + 5))
    assert verdict(NotReadyChecker(after=1), short)[1] == "no data: the fault did not last so long"


def test_on_a_slow_machine_the_last_of_a_fault_are_told_that_nobody_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "_scale", 8.0)
    served = [record(70, 2.5), *(failed(60 + i, 3.0 + i / 2, status=503) for i in range(6))]
    lost = dataclasses.replace(SLOW, name="gone", end=BEGIN + 6)
    assert verdict(NotReadyChecker(after=1), loaded(tmp_path / "a", served, lost)) == (True, "6 http 503")
    assert verdict(NotReadyChecker(after=1), loaded(tmp_path / "b", [*served, record(71, 5.0)], lost))[0] is False


@pytest.mark.parametrize(
    ("urgent", "others", "passed"),
    [
        pytest.param([record(0, 2.0, 0.4)], 3.0, True, id="they overtake"),
        pytest.param([record(0, 2.0, 1.5)], 3.0, False, id="they wait too"),
        pytest.param([record(0, 2.0, 0.4)], 1.9, False, id="nobody needs to wait"),
        pytest.param([record(0, 2.0, 0.4), failed(1, 2.0)], 3.0, False, id="one was refused"),
    ],
)
def test_urgent_requests_overtake_those_who_wait(
    urgent: list[dict[str, Any]], others: float, passed: bool, tmp_path: Path
) -> None:
    folder(tmp_path / "load-urgent", urgent, phases=THREE)
    crowd = [record(10 + i, 2.1, others) for i in range(4)]
    seen = loaded(tmp_path / "load", crowd)
    Marks(phases=[Phase("STANDARD", BEGIN, BEGIN + 2), Phase("OVERFLOW", BEGIN + 2, BEGIN + 9)]).write(seen.log_dir)
    said = verdict(PriorityChecker(at_most_ms=1000), dataclasses.replace(seen, loaded=Results(seen.log_dir)))
    assert said[0] is passed
    assert "urgent answers, p99" in said[1]


def test_of_a_second_load_its_own_clients_are_judged(tmp_path: Path) -> None:
    main = loaded(tmp_path / "load", [failed(1, 2.0)])
    folder(tmp_path / "load-overload", [record(0, 2.0), record(1, 2.1)], phases=THREE)
    beside = main.beside("overload")
    assert verdict(SuccessRateChecker(), beside)[0]
    assert not verdict(SuccessRateChecker(), main)[0]


@pytest.mark.parametrize(
    ("records", "kept", "of_all", "saw"),
    [
        pytest.param([failed(1, 2.0, status=503)], True, True, "1 requests 0 were answered in full, 1", id="refused"),
        pytest.param([record(0, 2.0)], True, False, "1 requests 1 were answered in full, 0", id="answered"),
        pytest.param(
            [failed(1, 2.0)], False, False, "were refused with 503 or 529, 1 ended with http 500", id="failed"
        ),
        pytest.param([record(1, 2.0, **CUT)], False, False, "1 ended with connection_lost", id="cut off"),
        pytest.param([], False, False, "no data: no request was recorded", id="nobody"),
    ],
)
def test_who_has_no_answer_was_refused(
    records: list[dict[str, Any]], kept: bool, of_all: bool, saw: str, tmp_path: Path
) -> None:
    seen = loaded(tmp_path, records)
    passed, told = verdict(OnlyRefusedChecker(), seen)
    assert (passed, verdict(OnlyRefusedChecker(all_of_them=True), seen)[0]) == (kept, of_all)
    assert saw in told


def test_memory_is_bounded_at_every_moment(tmp_path: Path) -> None:
    seen = loaded(tmp_path, answers(1, 2))
    assert verdict(PeakMemoryChecker(at_most_mb=50), seen)[1].startswith("no data: no component told of its memory")
    sampled(tmp_path, "vllm-worker-0", "rss_mb", {1: 170, 2: 90})
    assert verdict(PeakMemoryChecker(at_most_mb=70), seen) == (True, "vllm-worker-0 needed 70 MB more")
    assert not verdict(PeakMemoryChecker(at_most_mb=69), seen)[0]


@pytest.mark.parametrize(("threads", "kept"), [(80, True), (81, False)])
def test_a_thread_for_each_request_in_flight_at_once_is_a_pool_and_one_more_a_leak(
    tmp_path: Path, threads: int, kept: bool
) -> None:
    seen = loaded(tmp_path, answers(1), after={"vllm-worker-0": HELD | {"threads": HELD["threads"] + threads}})
    sampled(tmp_path, "frontend-0", "in_flight", {1: 80, 2: 3})
    assert verdict(NoLeakChecker(), seen)[0] is kept


def test_a_component_that_is_new_is_compared_with_its_kind(tmp_path: Path) -> None:
    grown = HELD | {"rss_mb": 300.0}
    alike = loaded(tmp_path / "a", answers(1), after={"vllm-worker-7": HELD})
    assert verdict(NoLeakChecker(), alike)[0]
    heavier = loaded(tmp_path / "b", answers(1), after={"vllm-worker-7": grown})
    assert "vllm-worker-7 has 200 more rss_mb" in verdict(NoLeakChecker(), heavier)[1]
    busy = loaded(tmp_path / "c", answers(1), after={"vllm-worker-7": HELD | {"running": 1.0}})
    assert "vllm-worker-7 still has 1 running" in verdict(NoLeakChecker(), busy)[1]
    other = loaded(tmp_path / "d", answers(1), after={"vllm-decode-0": HELD})
    assert verdict(NoLeakChecker(), other)[1].startswith("no data: nobody knows what vllm-decode-0")
    own = loaded(
        tmp_path / "e",
        answers(1),
        before={"vllm-worker-0": HELD, "vllm-worker-1": grown},
        after={"vllm-worker-0": grown},
    )
    assert "vllm-worker-0 has 200 more" in verdict(NoLeakChecker(), own)[1]
