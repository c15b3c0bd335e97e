"""What is measured of a set of requests, and how it is counted batch by batch, in memory that does not grow."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from typing import Any

import polars as pl

from support.errors import UsageError
from support.results.histogram import Histogram
from support.results.read import LEFT, OUTCOME

PERCENTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What an answer must keep to count as good; None: no limit. In milliseconds."""

    latency_ms: float | None = None
    ttft_ms: float | None = None
    gap_ms: float | None = None

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
            if value is not None and not value > 0:
                raise UsageError(f"the limit {name} is {value}: it must be above 0")
        if self.latency_ms is not None and self.ttft_ms is not None and self.ttft_ms > self.latency_ms:
            raise UsageError("the limits contradict: the first token may come later than the whole answer")


@dataclass(frozen=True, kw_only=True)
class Measures:
    """Of a set of requests. Latencies count from when a request was due; None where there is nothing to measure.

    Counts and longest ones are exact. Percentiles are pooled over all requests (or gaps) and within 0.1 percent of the
    exact ones (`histogram.GRAIN`).
    """

    requests: int
    completed: int
    cancelled: int
    left: int
    """Of the cancelled ones, those whose clients hung up as they were to."""
    success_rate: float
    """Percent of the requests whose clients did not leave that were answered in full."""
    errors: Mapping[str, int]
    """How many of each: "timeout", "reset", "http 503", ..."""
    hung: int
    """Given up by their clients at the deadline."""
    p50_latency_ms: float | None
    p90_latency_ms: float | None
    p95_latency_ms: float | None
    p99_latency_ms: float | None
    max_latency_ms: float | None
    """Of answers that completed."""
    p50_ttft_ms: float | None
    p90_ttft_ms: float | None
    p95_ttft_ms: float | None
    p99_ttft_ms: float | None
    max_ttft_ms: float | None
    """From due to the first token, of answers that had one."""
    p50_gap_ms: float | None
    p99_gap_ms: float | None
    max_gap_ms: float | None
    """Between chunks, pooled over all answers. The longest one also counts the wait from the last chunk to the end."""
    max_silence_ms: float | None
    """The longest wait of any client for a sign of life: the first token, the next one, or the end of the request."""
    p50_rejected_ms: float | None
    p99_rejected_ms: float | None
    """How long clients waited to hear that they are turned away (an HTTP status of 400 or more)."""
    requests_per_second: float
    goodput_rps: float
    """Answers a second that completed within the limits."""
    tokens: int
    tokens_lost: int
    tokens_repeated: int
    tokens_stray: int
    unjudged: int
    """Answers of which nobody knows what they should be."""
    crossing: bool = field(default=False)
    """Of requests that cross a border of phases."""


class Tally:
    """Of a set of requests, added to batch by batch."""

    COLUMNS = (
        "due",
        "end",
        "status",
        "http_status",
        "error_class",
        "tokens",
        "gaps_ms",
        "last_gap_ms",
        "lost",
        "repeated",
        "stray",
        "leaves_after",
    )
    """Of the records; `add` needs `latency_ms` and `ttft_ms` beside them."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.longest: dict[str, float] = {}
        self.histograms = {name: Histogram() for name in _DURATIONS}
        self.first, self.last = float("inf"), float("-inf")

    def add(self, batch: pl.DataFrame, limits: Limits) -> None:
        """batch: `COLUMNS`, `latency_ms` and `ttft_ms`; at least one row."""
        row = batch.select(*_counted(limits), *_longest(), pl.col("due").min(), pl.col("end").max()).row(0, named=True)
        self.first, self.last = min(self.first, row.pop("due")), max(self.last, row.pop("end"))
        for name in _LONGEST:
            self._stretch(name, row.pop(name))
        self.counts.update(row)
        if row["requests"] > row["completed"] + row["cancelled"]:
            failed = batch.select("status", "error_class", "http_status", "leaves_after").filter(
                pl.col("status") == "error"
            )
            self.errors.update(dict(failed.group_by(OUTCOME.alias("outcome")).len().iter_rows()))
        for name, durations in _DURATIONS.items():
            values = batch.select(durations.drop_nulls()).to_series()
            if values.len():
                self.histograms[name].add(values.to_numpy())

    def __add__(self, other: Tally) -> Tally:
        both = Tally()
        both.counts, both.errors = self.counts + other.counts, self.errors + other.errors
        both.histograms = {name: one + other.histograms[name] for name, one in self.histograms.items()}
        both.first, both.last = min(self.first, other.first), max(self.last, other.last)
        both.longest = dict(self.longest)
        for name, value in other.longest.items():
            both._stretch(name, value)
        return both

    def _stretch(self, name: str, value: float | None) -> None:
        if value is not None:
            self.longest[name] = max(value, self.longest.get(name, value))

    @property
    def seconds(self) -> float:
        """From the first that was due to the last end."""
        return max(self.last - self.first, 0.0)

    def measures(self, *, seconds: float, crossing: bool = False) -> Measures:
        """seconds: that these requests took, for rates."""
        span = max(seconds, 0.001)
        told: dict[str, Any] = {name: self.counts[name] for name in _COUNTS}
        told |= {name: self.longest.get(name) for name in _LONGEST}
        for name, wanted in _WANTED.items():
            found = self.histograms[name].percentiles(PERCENTILES[each] for each in wanted)
            told |= {f"{each}_{name}_ms": value for each, value in zip(wanted, found, strict=True)}
        return Measures(
            **told,
            success_rate=100 * told["completed"] / stayed if (stayed := told["requests"] - told["left"]) else 0.0,
            errors=dict(sorted(self.errors.items())),
            requests_per_second=told["requests"] / span,
            goodput_rps=self.counts["good"] / span,
            crossing=crossing,
        )


def together(tallies: Iterable[Tally]) -> Tally:
    """Of all their requests."""
    return reduce(add, tallies) if (tallies := list(tallies)) else Tally()


_COMPLETED = pl.col("status") == "completed"
_DURATIONS = {
    "latency": pl.col("latency_ms").filter(_COMPLETED),
    "ttft": pl.col("ttft_ms"),
    "gap": pl.col("gaps_ms").explode(empty_as_null=False),
    "rejected": pl.col("latency_ms").filter(pl.col("error_class") == "http_status"),
}
_WANTED = {
    "latency": tuple(PERCENTILES),
    "ttft": tuple(PERCENTILES),
    "gap": ("p50", "p99"),
    "rejected": ("p50", "p99"),
}
_LONGEST = ("max_latency_ms", "max_ttft_ms", "max_gap_ms", "max_silence_ms")
_COUNTS = (
    "requests",
    "completed",
    "cancelled",
    "left",
    "hung",
    "tokens",
    "tokens_lost",
    "tokens_repeated",
    "tokens_stray",
    "unjudged",
)


def _counted(limits: Limits) -> list[pl.Expr]:
    return [
        pl.len().alias("requests"),
        _COMPLETED.sum().alias("completed"),
        (pl.col("status") == "cancelled").sum().alias("cancelled"),
        LEFT.sum().alias("left"),
        (pl.col("error_class") == "timeout").sum().alias("hung"),
        _good(limits).sum().alias("good"),
        pl.col("tokens").sum(),
        *(pl.col(name).sum().alias(f"tokens_{name}") for name in ("lost", "repeated", "stray")),
        (pl.col("lost").is_null() & _COMPLETED).sum().alias("unjudged"),
    ]


def _longest() -> list[pl.Expr]:
    gap = pl.max_horizontal(_DURATIONS["gap"].max(), pl.col("last_gap_ms").max())
    return [
        pl.col("latency_ms").filter(_COMPLETED).max().alias("max_latency_ms"),
        pl.col("ttft_ms").max().alias("max_ttft_ms"),
        gap.alias("max_gap_ms"),
        pl.max_horizontal(gap, pl.coalesce("ttft_ms", "latency_ms").max()).alias("max_silence_ms"),
    ]


def _good(limits: Limits) -> pl.Expr:
    good = _COMPLETED
    if limits.latency_ms is not None:
        good &= pl.col("latency_ms") <= limits.latency_ms
    if limits.ttft_ms is not None:
        good &= pl.col("ttft_ms") <= limits.ttft_ms
    if limits.gap_ms is not None:
        good &= pl.col("gaps_ms").list.max().fill_null(0.0) <= limits.gap_ms
    return good
