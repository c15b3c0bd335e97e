"""Two runs side by side: what is a difference, and what is noise.

Requests of one second share their fate, so seconds are drawn anew, not requests (a block bootstrap): a difference is
one whose 99 percent interval does not hold zero. Of a hundred comparisons of equal runs about one is still called one.
How long a run took to recover is one value, of which nobody can say what is noise: both are shown, and not judged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from support.errors import UsageError
from support.results.read import LEFT
from support.results.results import Results

RESAMPLES = 500
INTERVAL = (0.5, 99.5)
"""Percentiles of the resampled differences."""
LEAST_SECONDS = 5
LEAST_REQUESTS = 50
"""Of less nobody can say what is noise."""
Verdict = Literal["difference", "noise", "not enough data", "one value each"]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Compared:
    """One measure of one scenario in two runs."""

    scenario: str
    measure: str
    before: float | None
    after: float | None
    low: float | None
    high: float | None
    """The interval in which after - before lies."""
    verdict: Verdict


@dataclass(frozen=True)
class _Measure:
    name: str
    column: str
    of: Callable[[Values], float]


def _mean(values: Values) -> float:
    return float(values.mean())


def _median(values: Values) -> float:
    return float(np.quantile(values, 0.5))


def _p99(values: Values) -> float:
    return float(np.quantile(values, 0.99))


_SUCCESS = _Measure("success, percent", "success", _mean)
_LATENCY = _Measure("latency p99, ms", "latency_ms", _p99)
_MEASURES = (
    _SUCCESS,
    _Measure("latency p50, ms", "latency_ms", _median),
    _LATENCY,
    _Measure("first token p50, ms", "ttft_ms", _median),
    _Measure("first token p99, ms", "ttft_ms", _p99),
    _Measure("gap of tokens p99, ms", "gaps_ms", _p99),
    _Measure("tokens lost per request", "lost", _mean),
)
_OF_A_PHASE = (_SUCCESS, _LATENCY)
_RECOVERED = {
    "first_success_s": "first success, s",
    "steady_success_s": "steady success, s",
    "as_before_s": "as before, s",
}
"""What `Results.as_dict` calls them, and what the table does."""


def compare(before: Path, after: Path, *, seed: int = 0) -> list[Compared]:
    """Every load scenario that both runs have. UsageError when a folder is no run, or they share no scenario."""
    old, new = _loads(before), _loads(after)
    both = sorted(old.keys() & new.keys())
    if not both:
        raise UsageError(f"{before} and {after} have no scenario under load in common: there is nothing to compare")
    chance = np.random.default_rng(seed)
    return [one for scenario in both for one in _compared(scenario, old[scenario], new[scenario], chance)]


def table(compared: Sequence[Compared]) -> str:
    """As aligned text, scenario by scenario."""
    lines = []
    for scenario in dict.fromkeys(one.scenario for one in compared):
        lines.append(scenario.replace("-", " "))
        lines += [_line(one) for one in compared if one.scenario == scenario]
    return "\n".join(lines)


def _line(one: Compared) -> str:
    shown = [f"{value:10.1f}" if value is not None else f"{'-':>10}" for value in (one.before, one.after)]
    interval = f"{one.low:+.1f} to {one.high:+.1f}" if one.low is not None and one.high is not None else ""
    return f"  {one.measure:28} {shown[0]} -> {shown[1]}   {one.verdict:16} {interval}".rstrip()


def _loads(run: Path) -> dict[str, Path]:
    if not (run / "evidence").is_dir():
        raise UsageError(f"{run} is no folder of a run: name one that a run has written, such as reports")
    return {file.parents[1].name: file.parent for file in (run / "evidence").glob("*/load/load.json")}


def _compared(scenario: str, before: Path, after: Path, chance: np.random.Generator) -> Iterator[Compared]:
    old, new = Results(before), Results(after)
    was, now = _requests(old), _requests(new)
    for measure in _MEASURES:
        yield _measured(scenario, measure, _blocks(was, measure), _blocks(now, measure), chance)
    for phase in dict.fromkeys(mark.name for mark in old.marks.phases):
        parts = [requests.filter(pl.col("phase") == phase) for requests in (was, now)]
        for measure in _OF_A_PHASE:
            named = replace(measure, name=f"{phase}: {measure.name}")
            one, other = (_blocks(part, measure) for part in parts)
            if _enough(one) and _enough(other):
                yield _measured(scenario, named, one, other, chance)
    yield from _recovered(scenario, old, new)


def _recovered(scenario: str, old: Results, new: Results) -> Iterator[Compared]:
    """Seconds from the last fault on; none for loads without one."""
    if old.marks.faults and new.marks.faults:
        was, now = old.as_dict(), new.as_dict()
        for key, name in _RECOVERED.items():
            yield Compared(scenario, name, was[key], now[key], None, None, "one value each")


def _requests(results: Results) -> pl.DataFrame:
    done = pl.col("status") == "completed"
    return results.frame.select(
        (pl.col("due") - pl.col("due").min()).floor().cast(pl.Int64).alias("second"),
        "phase",
        pl.when(~LEFT).then(done.cast(pl.Float64) * 100).alias("success"),
        pl.when(done).then("latency_ms").alias("latency_ms"),
        "ttft_ms",
        "gaps_ms",
        "lost",
    ).collect()


def _blocks(requests: pl.DataFrame, measure: _Measure) -> list[Values]:
    """The measure's values, second by second."""
    there = requests.select("second", measure.column)
    if there.schema[measure.column] == pl.List(pl.Float64):
        there = there.explode(measure.column, empty_as_null=False)
    return [
        np.asarray(part.get_column(measure.column).to_numpy(), dtype=np.float64)
        for part in there.drop_nulls().partition_by("second", maintain_order=True)
    ]


def _measured(
    scenario: str, measure: _Measure, old: list[Values], new: list[Values], chance: np.random.Generator
) -> Compared:
    was, now = (measure.of(np.concatenate(blocks)) if blocks else None for blocks in (old, new))
    if not all(_enough(blocks) for blocks in (old, new)):
        return Compared(scenario, measure.name, was, now, None, None, "not enough data")
    differences = [measure.of(_drawn(new, chance)) - measure.of(_drawn(old, chance)) for _ in range(RESAMPLES)]
    low, high = (float(value) for value in np.percentile(differences, INTERVAL))
    verdict: Verdict = "noise" if low <= 0 <= high else "difference"
    return Compared(scenario, measure.name, was, now, low, high, verdict)


def _enough(blocks: list[Values]) -> bool:
    return len(blocks) >= LEAST_SECONDS and sum(block.size for block in blocks) >= LEAST_REQUESTS


def _drawn(blocks: list[Values], chance: np.random.Generator) -> Values:
    return np.concatenate([blocks[index] for index in chance.integers(0, len(blocks), len(blocks))])
