"""How long a load took, after something happened, to be answered as before.

A second is *as before* when each of its requests was answered in full, and at most one in ten took much longer than
before: more than three times what nine in ten took in the phase STANDARD, and at least `SLACK_MS` more. One slow answer
is noise, and so is a machine that others use too; a backlog or a worker that does not answer is not. Seconds are whole
ones after the fault, and a request belongs to that in which it was due.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from support.results.read import LEFT
from support.waiting import scaled

STEADY_WINDOW = 5.0
"""Seconds in which every request must be answered for the service to be called steady. Dynamo 1.4.2 spares a killed
worker for 2.6 s and then tries it again: a shorter window would take that for the end of the trouble."""
USUAL = 0.9
"""Nine in ten: the share of answers by which "before" and "slow" are judged."""
SLACK_MS = 250.0
"""Scaled by the run's timeout_scale, as what answers may take more is."""
NEEDED = ("due", "end", "status", "leaves_after", "latency_ms", "phase")
"""Columns of `Records.frame`."""
_GOOD = pl.col("status") == "completed"
BAD = ~_GOOD & ~LEFT
"""Requests that were not answered, though their clients stayed."""


@dataclass(frozen=True)
class Recovery:
    """Seconds after the fault; None: not within the records."""

    first_success: float | None
    """Until the end of the first good answer that was due after it."""
    steady: float | None
    """Until the first request from which on each was answered in full, for `STEADY_WINDOW` at least."""
    as_before: float | None
    """The same, and none of the seconds that follow is slow. Without a phase STANDARD nothing is: then as `steady`."""
    usual_ms: float | None
    """What nine in ten answers took at most in the phase STANDARD."""


def recovery(
    frame: pl.LazyFrame, at: float, *, until: float | None = None, quick_until: float = float("inf")
) -> Recovery:
    """After `at`. frame: as `Records.frame`. until: look only at what was due before, and do not blame this fault for
    requests that were not slow yet when the next thing happened. quick_until: blame nothing that was due later for
    being slow, as when enough was seen by then. All are on the clock of the records."""
    later = frame.filter(pl.col("due") >= at)
    usual = _usual(frame)
    limit = float("inf") if usual is None else usual + scaled(max(2 * usual, SLACK_MS))
    if until is not None:
        caught_by_the_next = (pl.col("end") >= until) & (pl.col("due") > until - limit / 1000)
        later = later.filter((pl.col("due") < until) & ~caught_by_the_next)
    seconds = (
        later.group_by((pl.col("due") - at).floor().alias("second"))
        .agg(
            pl.len(),
            ((pl.col("latency_ms") > limit) & (pl.col("due") < quick_until)).sum().alias("slow"),
            pl.col("due").filter(BAD).max().alias("last_bad"),
            pl.col("end").filter(_GOOD).min().alias("first_good"),
        )
        .collect(engine="streaming")
    )
    slow = seconds.filter(10 * pl.col("slow") > pl.col("len")).get_column("second").max()
    first, bad = seconds.get_column("first_good").min(), seconds.get_column("last_bad").max()
    good_from = at if bad is None else _just_after(bad)  # type: ignore[arg-type]
    quick_from = at if slow is None else at + float(slow) + 1  # type: ignore[arg-type]
    return Recovery(
        first_success=None if first is None else float(first) - at,  # type: ignore[arg-type]
        steady=_begins(later, at, good_from),
        as_before=_begins(later, at, max(good_from, quick_from)),
        usual_ms=usual,
    )


def _usual(frame: pl.LazyFrame) -> float | None:
    before = frame.filter(_GOOD & (pl.col("phase") == "STANDARD"))
    value = before.select(pl.col("latency_ms").quantile(USUAL, "linear")).collect(engine="streaming").item()
    return None if value is None else float(value)


def _begins(later: pl.LazyFrame, at: float, since: float) -> float | None:
    """Seconds from `at` to the first request due after `since`; None unless requests follow it for the window."""
    due = pl.col("due")
    first, last = later.filter(due >= since).select(due.min(), due.max().alias("last")).collect().row(0)
    if first is None or last - first < STEADY_WINDOW:
        return None
    return 0.0 if since == at else float(first - at)


def _just_after(due: float) -> float:
    """A microsecond: doubles of seconds since the epoch are a quarter of that apart."""
    return due + 1e-6
