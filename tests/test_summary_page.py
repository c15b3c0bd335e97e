"""The page over all loads of a run, and what it remembers of earlier runs."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from support.report.load_history import FILE, Past, remember, remembered
from support.report.load_sketches import RUNS, trend
from support.report.outcome import KNOWN_DEFECT
from support.report.summary_page import write_summary
from tests.made_records import THREE, failed, folder, record

NAME = "A <b>worker</b> & its load [vLLM]"
SLUG = "a-b-worker-b-its-load-vllm"


def run(path: Path, *, verdict: str = "passed", message: str = "", lost: int = 0) -> Path:
    made = [*(record(i, i * 0.2) for i in range(60)), failed(70, 2.5, status=503), record(71, 5.0, lost=lost)]
    folder(path / "evidence" / SLUG / "load", made, phases=THREE, fault=2.0)
    results = path / "allure-results"
    results.mkdir(exist_ok=True)
    told: dict[str, Any] = {"name": NAME, "status": verdict, "statusDetails": {"message": message}}
    (results / "1-result.json").write_text(json.dumps(told))
    return path


class _Cells(HTMLParser):
    """The text of the page, and every tag in it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text: list[str] = []
        self.ids: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [value for key, value in attrs if key == "id" and value]

    def handle_data(self, data: str) -> None:
        self.text.append(data.strip())


def page(path: Path) -> str:
    written = write_summary(path)
    assert written is not None
    return written.read_text()


def test_it_tells_of_each_phase_what_clients_saw(tmp_path: Path) -> None:
    text = _Cells(page(run(tmp_path, lost=7))).text
    assert NAME in text
    assert text[text.index("STANDARD") + 1] == "8"
    assert text[text.index("OVERFLOW") + 2].startswith("8")
    assert text.count("100 %") == 4
    assert "1 scenarios: 1 passed; 62 requests, 7 tokens lost." in text
    assert "0.60 s" in text


def test_a_load_that_ended_too_soon_is_not_called_steady(tmp_path: Path) -> None:
    made = [*(record(i, i * 0.2) for i in range(15)), failed(40, 2.5)]
    folder(tmp_path / "evidence" / "short" / "load", made, phases=THREE, fault=2.0)
    assert "not seen" in _Cells(page(tmp_path)).text


@pytest.mark.parametrize(
    ("verdict", "message", "shown"),
    [
        ("failed", "", "✗ failed"),
        ("broken", "", "! broken"),
        ("passed", f"{KNOWN_DEFECT}: it is slow", "≈ known defect"),
    ],
)
def test_it_tells_how_the_scenario_ended(verdict: str, message: str, shown: str, tmp_path: Path) -> None:
    assert shown in _Cells(page(run(tmp_path, verdict=verdict, message=message))).text


def test_a_scenario_whose_end_nobody_knows_is_not_called_passed(tmp_path: Path) -> None:
    run(tmp_path)
    (tmp_path / "allure-results" / "1-result.json").unlink()
    html = page(tmp_path)
    assert "? unknown" in html
    assert "passed" not in _Cells(html).text


def test_a_result_that_is_half_written_hides_no_other(tmp_path: Path) -> None:
    run(tmp_path)
    (tmp_path / "allure-results" / "0-result.json").write_text('{"name": "')
    assert "✓ passed" in _Cells(page(tmp_path)).text


def test_records_that_cannot_be_read_are_told_and_do_not_hide_the_others(tmp_path: Path) -> None:
    run(tmp_path)
    (folder(tmp_path / "evidence" / "broken" / "load", [record(0, 0.0)]) / "load.json").write_text("{")
    folder(tmp_path / "evidence" / "empty" / "load", [])
    text = " ".join(_Cells(page(tmp_path)).text)
    assert "load.json is broken" in text
    assert "not one request was recorded" in text
    assert "62 requests, 0 tokens lost; 2 could not be read." in text
    assert [one.scenario for one in remembered(tmp_path)] == [SLUG]


def test_one_lost_request_of_many_is_never_rounded_away(tmp_path: Path) -> None:
    made = [*(record(i, i * 0.001) for i in range(30_000)), failed(30_000, 1.0)]
    folder(tmp_path / "evidence" / "many" / "load", made)
    text = _Cells(page(tmp_path)).text
    assert "99.99 %" in text
    assert "100 %" not in text


def test_a_run_without_a_load_has_no_page(tmp_path: Path) -> None:
    assert write_summary(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_it_may_load_nothing_and_each_id_is_there_once(tmp_path: Path) -> None:
    html = page(run(tmp_path))
    assert not re.search(r"(?:href|src)=|@import|url\((?!#)", html)
    assert "default-src 'none'" in html
    ids = _Cells(html).ids
    assert len(ids) == len(set(ids)) > 0


def test_a_run_is_remembered_once(tmp_path: Path) -> None:
    run(tmp_path)
    page(tmp_path)
    html = page(tmp_path)
    (past,) = remembered(tmp_path)
    assert (past.scenario, past.verdict, past.requests, past.tokens_lost) == (SLUG, "passed", 62, 0)
    assert "the first run" in html


def past(begun: float) -> Past:
    return Past(
        begun=begun,
        scenario=SLUG,
        verdict="failed",
        requests=10,
        success_rate=90.0,
        p99_latency_ms=800.0,
        p99_ttft_ms=20.0,
        recovery_s=None,
        tokens_lost=0,
    )


def test_earlier_runs_are_drawn_from_the_oldest_on(tmp_path: Path) -> None:
    run(tmp_path)
    remember(tmp_path, [past(2.0), past(1.0)])
    assert "p99 of 3 runs: 800, 800, 500 ms" in page(tmp_path)


def test_a_half_written_or_foreign_line_of_history_spoils_nothing(tmp_path: Path) -> None:
    remember(tmp_path, [past(1.0)])
    with (tmp_path / FILE).open("a") as file:
        file.write('[1]\n{"schema": 9}\n{"schema": 1, "begun"')
    assert remember(tmp_path, [past(2.0)]) == [past(1.0), past(2.0)]
    assert remembered(tmp_path) == [past(1.0), past(2.0)]


def test_of_a_long_history_the_newest_runs_are_drawn_and_failed_ones_have_a_ring() -> None:
    drawn = trend([(float(each), "passed") for each in range(100)] + [(100.0, "failed")])
    assert drawn.count("<circle") == RUNS
    assert drawn.count('fill="#fff"') == 1
    assert "100 ms" in drawn
    assert trend([(None, "failed")]) == "-"
