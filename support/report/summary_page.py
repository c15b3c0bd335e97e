"""One page over every scenario under load of a run: what clients saw in each phase, and how that was in earlier runs.

The page needs nothing from outside, and may load nothing. Readable in print and by the colour-blind: whatever a
colour says, a word or a shape says too (colours: Okabe and Ito).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from support.errors import UsageError
from support.evidence import slug
from support.report.load_history import Past, remember
from support.report.load_sketches import HATCHING, course, trend
from support.report.written_results import results_of, verdict_of
from support.results import Measures, Results

PAGE = "load-summary.html"
_MARKS = {"passed": "✓", "failed": "✗", "broken": "!", "known defect": "≈", "skipped": "-"}
_BEFORE = ("scenario", "answers over time", "phase", "requests", "answered")
_AFTER = ("recovered after", "tokens lost", "earlier runs, p99")


@dataclass(frozen=True)
class _Told:
    """One scenario under load. results: None where its records cannot be read, and `why`."""

    scenario: str
    """Name of its folder."""
    title: str
    verdict: str
    results: Results | None
    why: str = ""


def write_summary(run_dir: Path) -> Path | None:
    """Write `load-summary.html` for a run's folder, and add the run to its history. None when it had no load."""
    folders = sorted(file.parent for file in (run_dir / "evidence").glob("*/load/load.json"))
    if not folders:
        return None
    verdicts = _verdicts(run_dir)
    loads = [_told(folder, verdicts) for folder in folders]
    past = remember(run_dir, [one for load in loads for one in _past(load)])
    page = run_dir / PAGE
    page.write_text(_page(loads, past), encoding="utf-8")
    return page


def _verdicts(run_dir: Path) -> dict[str, tuple[str, str]]:
    """By the name of the scenario's folder: its title and how it ended."""
    return {slug(told["name"]): (str(told["name"]), verdict_of(told)) for _, told in results_of(run_dir)}


def _told(folder: Path, verdicts: dict[str, tuple[str, str]]) -> _Told:
    name = folder.parent.name
    title, verdict = verdicts.get(name, (name.replace("-", " "), ""))
    try:
        results = Results(folder)
    except UsageError as broken:
        return _Told(name, title, verdict, None, str(broken))
    if not results.overall.requests:
        return _Told(name, title, verdict, None, "not one request was recorded")
    return _Told(name, title, verdict, results)


def _past(load: _Told) -> Iterator[Past]:
    if load.results is None:
        return
    whole = load.results.overall
    yield Past(
        begun=_begun(load.results),
        scenario=load.scenario,
        verdict=load.verdict,
        requests=whole.requests,
        success_rate=whole.success_rate,
        p99_latency_ms=whole.p99_latency_ms,
        p99_ttft_ms=whole.p99_ttft_ms,
        recovery_s=_recovery(load.results),
        tokens_lost=whole.tokens_lost,
    )


def _begun(results: Results) -> float:
    return float(results.frame.select("due").min().collect().item())


def _recovery(results: Results) -> float | None:
    faults = results.marks.faults
    return results.recovery(faults[-1].begin).as_before if faults else None


def _page(loads: Sequence[_Told], past: Sequence[Past]) -> str:
    before, after = ("".join(f'<th rowspan="2">{head}</th>' for head in heads) for heads in (_BEFORE, _AFTER))
    bodies = "\n".join(_body(load, [one for one in past if one.scenario == load.scenario]) for load in loads)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Scenarios under load</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<style>{_STYLE}</style></head><body>{HATCHING}
<h1>Scenarios under load</h1>
<p>{escape(_headline(loads))}</p>
<table><thead><tr>{before}<th colspan="2">whole answer, ms</th><th colspan="2">first token, ms</th>{after}</tr>
<tr>{"<th>p50</th><th>p99</th>" * 2}</tr></thead>
{bodies}
</table>
<p class="note">{_NOTE}</p>
</body></html>
"""


def _headline(loads: Sequence[_Told]) -> str:
    read = [load.results.overall for load in loads if load.results is not None]
    ended = [f"{sum(load.verdict == one for load in loads)} {one}" for one in _MARKS]
    counts = ", ".join(words for words in ended if not words.startswith("0 "))
    lost = sum(one.tokens_lost for one in read)
    requests = f"{sum(one.requests for one in read):,} requests, {lost:,} tokens lost"
    broken = len(loads) - len(read)
    unread = f"; {broken} could not be read" if broken else ""
    return f"{len(loads)} scenarios{': ' + counts if counts else ''}; {requests}{unread}."


def _body(load: _Told, past: Sequence[Past]) -> str:
    verdict = f'<span class="{slug(load.verdict)}">{_MARKS.get(load.verdict, "?")} {load.verdict or "unknown"}</span>'
    name = f"{verdict}<br><b>{escape(load.title)}</b>"
    if load.results is None:
        return f'<tbody><tr><td class="name">{name}</td><td colspan="11">{escape(load.why)}</td></tr></tbody>'
    parts = load.results.phases or {"all": load.results.overall}
    rows = len(parts)
    tall = f' rowspan="{rows}"'
    recovery = _recovery(load.results)
    faulty = bool(load.results.marks.faults)
    steady = f"{recovery:.2f} s" if recovery is not None else "not seen" if faulty else "-"
    after = (
        f"<td{tall}>{steady}</td><td{tall}>{load.results.overall.tokens_lost:,}</td>"
        f"<td{tall}>{trend([(one.p99_latency_ms, one.verdict) for one in past])}</td>"
    )
    before = f'<td class="name"{tall}>{name}</td><td{tall}>{course(load.results)}</td>'
    lines = [_cells(phase, part) for phase, part in parts.items()]
    first = f"<tr>{before}{lines[0]}{after}</tr>"
    return f"<tbody>{first}{''.join(f'<tr>{line}</tr>' for line in lines[1:])}</tbody>"


def _cells(phase: str, part: Measures) -> str:
    kind = "crossing" if part.crossing else "phase"
    numbers = (part.p50_latency_ms, part.p99_latency_ms, part.p50_ttft_ms, part.p99_ttft_ms)
    shown = [f"{part.requests:,}", _percent(part), *(_milliseconds(one) for one in numbers)]
    cells = "".join(f'<td class="{kind} number">{one}</td>' for one in shown)
    return f'<td class="{kind}">{escape(phase.replace(" to ", " → "))}</td>{cells}'


def _percent(part: Measures) -> str:
    """Never rounded up to 100: one lost request of many must show."""
    if part.completed + part.left == part.requests:
        return "100 %"
    return f"{min(part.success_rate, 99.99):.4g} %"


def _milliseconds(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


_NOTE = (
    "Latencies count from when a request was due; percentiles are pooled over requests: of the whole answer, of those "
    "that completed; of the first token, of those that had one. A request belongs to the phase that it lies in; those "
    "that cross a border (→) are told apart. Recovered after: from the last fault until every later request was "
    "answered, and as quickly as before it, for 5 seconds at least; not seen: the load ended before. Green: answered; "
    "hatched red: not; purple line: a fault. Earlier runs: a ring is a run that did not pass."
)
_STYLE = """
body{font:13px/1.35 Helvetica,Arial,sans-serif;color:#222;margin:24px;max-width:1280px}
h1{font-size:20px;margin:0 0 4px}table{border-collapse:collapse;width:100%}
th{text-align:left;font-weight:600;font-size:.85em;color:#555;padding:3px 6px;vertical-align:bottom}
thead{border-bottom:1.5px solid #222}
thead tr:last-child th,th:nth-child(4),th:nth-child(5),th[colspan]{text-align:right}
td{padding:2px 6px;vertical-align:top;white-space:nowrap}
tbody{border-bottom:1px solid #ccc;break-inside:avoid}
.name{white-space:normal;width:250px}.number{text-align:right;font-variant-numeric:tabular-nums}
.crossing{color:#666;font-size:.85em}.phase{font-weight:600}.number.phase{font-weight:400}
.passed{color:#00664a}.failed,.broken{color:#b34700;font-weight:700}.known-defect{color:#00507d}
.note{color:#555;font-size:.85em;max-width:900px}svg{display:block}
@page{size:A4 landscape;margin:10mm}
@media print{body{margin:0;font-size:9.5px;max-width:none;print-color-adjust:exact;-webkit-print-color-adjust:exact}
thead{display:table-header-group}.name{width:170px}}
"""
