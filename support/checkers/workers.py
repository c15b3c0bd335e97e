"""Checkers of single workers: who is listed, and what each one's share and answers were."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import polars as pl

from support.checkers.base import BaseChecker, NoData, ValidationContext
from support.errors import UsageError
from support.marks import Fault
from support.roster import longest_disagreement, looks
from support.waiting import scaled


@dataclass(frozen=True)
class RosterChecker(BaseChecker):
    """The frontend lists exactly the workers that are there: no ghost, none twice, none missing.

    within: seconds that the list may be wrong after each change of who is there. Scaled by the run's timeout_scale.
    """

    within: float

    def check(self, context: ValidationContext) -> bool:
        context.looked = True
        seen = looks(context.log_dir)
        if not seen:
            raise NoData("nobody looked at the frontend's list")
        last, longest = seen[-1], longest_disagreement(seen)
        flaws = [f"at last {', '.join(last.missing)} lacked"] if last.missing else []
        flaws += [f"at last {', '.join(last.ghosts)} was listed and not there"] if last.ghosts else []
        most = max(len(one.ghosts) for one in seen)
        told = f"the list was wrong for at most {longest:.1f} s after a change, with up to {most} ghosts"
        context.saw("; ".join([*flaws, told]))
        return not flaws and longest <= scaled(self.within)


@dataclass(frozen=True)
class ShareChecker(BaseChecker):
    """Of the requests that came while a fault lasted, at most this share (percent) was answered by its victim."""

    at_most: float

    def __post_init__(self) -> None:
        if not 0 < self.at_most <= 100:
            raise UsageError(f"a share of {self.at_most} percent makes no sense: say one above 0 and up to 100")

    def check(self, context: ValidationContext) -> bool:
        fault, told = _struck(context), _told(context)
        came = told.filter(pl.col("due").is_between(fault.begin, fault.end, closed="left"))
        if not came.height:
            raise NoData("nobody who came while the fault lasted said who answered")
        hit = came.filter(pl.col("name") == fault.target).height
        share = 100 * hit / came.height
        context.saw(f"{fault.target} answered {hit} of {came.height} requests that came then ({share:.0f} percent)")
        return share <= self.at_most


@dataclass(frozen=True)
class OthersLatencyChecker(BaseChecker):
    """99 of 100 answers of all workers but a fault's victim were complete within so many milliseconds.

    Scaled by the run's timeout_scale.
    """

    timed = True

    at_most_ms: float

    def check(self, context: ValidationContext) -> bool:
        fault, told = _struck(context), _told(context)
        others = told.filter(pl.col("name") != fault.target).get_column("latency_ms")
        victims = told.filter(pl.col("name") == fault.target).get_column("latency_ms")
        worst = others.quantile(0.99, "linear")
        if worst is None:
            raise NoData(f"nobody but {fault.target} answered")
        context.saw(
            f"p99 of the {others.len()} answers of other workers was {worst:.0f} ms,"
            f" of the {victims.len()} of {fault.target} {victims.quantile(0.99, 'linear') or 0:.0f} ms"
        )
        return worst <= scaled(self.at_most_ms)


RISES = 1.15
"""Of medians of some fifty answers; equal faults were seen to differ by a twentieth."""


@dataclass(frozen=True)
class RisingLatencyChecker(BaseChecker):
    """Several faults lasted for a while, one after the other: with each the answers of its victim took longer.

    At least by `RISES`: less may be chance.
    """

    timed = True

    def check(self, context: ValidationContext) -> bool:
        faults = [one for one in context.results.marks.faults if one.end is not None and one.end > one.begin]
        if len(faults) < 2:
            raise NoData(f"{len(faults)} faults lasted for a while: two are needed to compare them")
        told = _told(context)
        medians = [_median(told, fault) for fault in faults]
        context.saw("; ".join(f"{one.name}: {took:.0f} ms" for one, took in zip(faults, medians, strict=True)))
        return all(RISES * before <= after for before, after in pairwise(medians))


def _median(told: pl.DataFrame, fault: Fault) -> float:
    """Milliseconds that answers of its victim took which were asked for while it lasted."""
    during = told.filter((pl.col("name") == fault.target) & pl.col("due").is_between(fault.begin, fault.end))
    median = during.get_column("latency_ms").median()
    if not isinstance(median, float):
        raise NoData(f"{fault.target} answered nobody who asked while it was {fault.name}")
    return median


def _struck(context: ValidationContext) -> Fault:
    """The fault that lasted for a while. NoData when there was none."""
    faults = [one for one in context.results.marks.faults if one.end is not None and one.end > one.begin]
    if len(faults) != 1:
        raise NoData(f"{len(faults)} faults lasted for a while: whose share is meant?")
    return faults[0]


def _told(context: ValidationContext) -> pl.DataFrame:
    """due, latency_ms and the worker's name, of complete answers that say who gave them."""
    if not context.serving:
        raise NoData("nobody knows which instance is which worker")
    answers = context.results.frame.filter((pl.col("status") == "completed") & pl.col("worker").is_not_null())
    named = pl.col("worker").replace_strict(dict(context.serving), default=None, return_dtype=pl.String).alias("name")
    return answers.select("due", "latency_ms", named).drop_nulls("name").collect()
