"""What is measured of a set of requests, and how polars computes it in one pass."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from support.errors import UsageError

PERCENTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
GAP_GRAIN = 0.01
"""Gaps are counted in bins that are 1 percent wide, so that any number of them fits: so exact are their percentiles."""
_LEAST_GAP = 0.001  # ms


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
    """Of a set of requests. Latencies count from when a request was due; None where there is nothing to measure."""

    requests: int
    completed: int
    cancelled: int
    success_rate: float
    """Percent of all requests that were answered in full."""
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


def expressions(limits: Limits) -> list[pl.Expr]:
    """Aggregates over `latency_ms`, `ttft_ms` and the columns of the records."""
    completed = pl.col("status") == "completed"
    latency = pl.col("latency_ms").filter(completed)
    rejected = pl.col("latency_ms").filter(pl.col("error_class") == "http_status")
    return [
        pl.len().alias("requests"),
        completed.sum().alias("completed"),
        (pl.col("status") == "cancelled").sum().alias("cancelled"),
        (pl.col("error_class") == "timeout").sum().alias("hung"),
        *(latency.quantile(q, "linear").alias(f"{name}_latency_ms") for name, q in PERCENTILES.items()),
        latency.max().alias("max_latency_ms"),
        *(pl.col("ttft_ms").quantile(q, "linear").alias(f"{name}_ttft_ms") for name, q in PERCENTILES.items()),
        pl.col("ttft_ms").max().alias("max_ttft_ms"),
        pl.max_horizontal(pl.col("gaps_ms").list.max().max(), pl.col("last_gap_ms").max()).alias("max_gap_ms"),
        pl.max_horizontal(
            pl.col("gaps_ms").list.max().max(),
            pl.col("last_gap_ms").max(),
            pl.coalesce("ttft_ms", "latency_ms").max(),
        ).alias("max_silence_ms"),
        rejected.quantile(0.5, "linear").alias("p50_rejected_ms"),
        rejected.quantile(0.99, "linear").alias("p99_rejected_ms"),
        _good(limits).sum().alias("good"),
        pl.col("tokens").sum(),
        *(pl.col(name).sum().alias(f"tokens_{name}") for name in ("lost", "repeated", "stray")),
        (pl.col("lost").is_null() & completed).sum().alias("unjudged"),
        pl.col("due").min().alias("first"),
        pl.col("end").max().alias("last"),
    ]


def _good(limits: Limits) -> pl.Expr:
    good = pl.col("status") == "completed"
    if limits.latency_ms is not None:
        good &= pl.col("latency_ms") <= limits.latency_ms
    if limits.ttft_ms is not None:
        good &= pl.col("ttft_ms") <= limits.ttft_ms
    if limits.gap_ms is not None:
        good &= pl.col("gaps_ms").list.max().fill_null(0.0) <= limits.gap_ms
    return good


def gap_bin() -> pl.Expr:
    """The bin of one gap."""
    return (pl.col("gaps_ms").clip(lower_bound=_LEAST_GAP).log(1 + GAP_GRAIN)).floor().cast(pl.Int32).alias("bin")


def gap_percentile(bins: pl.DataFrame, share: float) -> float | None:
    """From (bin, len) rows, sorted by bin: the middle of the bin in which the percentile lies, in ms."""
    if not bins.height:
        return None
    upto = bins.get_column("len").cum_sum()
    index = int(upto.search_sorted(math.ceil(share * upto[-1])))
    return round(float((1 + GAP_GRAIN) ** (bins.get_column("bin")[min(index, bins.height - 1)] + 0.5)), 3)


def measures(row: Mapping[str, Any], errors: Mapping[str, int], gaps: pl.DataFrame, *, seconds: float) -> Measures:
    """From one row of aggregates. seconds: that these requests took, for rates."""
    names = {one.name for one in dataclasses.fields(Measures)}
    kept = {name: value for name, value in row.items() if name in names}
    span = max(seconds, 0.001)
    return Measures(
        **kept,
        success_rate=100 * row["completed"] / row["requests"] if row["requests"] else 0.0,
        errors=errors,
        p50_gap_ms=gap_percentile(gaps, 0.5),
        p99_gap_ms=gap_percentile(gaps, 0.99),
        requests_per_second=row["requests"] / span,
        goodput_rps=row["good"] / span,
        crossing=" to " in str(row.get("phase", "")),
    )
