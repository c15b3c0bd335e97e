"""Checkers of what the clients saw."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import polars as pl

from support.checkers.base import BaseChecker, NoData, ValidationContext
from support.errors import UsageError
from support.faults.overload import URGENT
from support.results import Measures
from support.waiting import scaled

OVERLOADED = (503, 529)
"""How versions of Dynamo say that they are too busy: 503 by default up to 1.4, 529 in later ones."""


def _measures(context: ValidationContext, phase: str | None) -> Measures:
    if phase is None:
        return context.results.overall
    if phase not in context.results.phases or not context.results.phases[phase].requests:
        raise NoData(f"no request lies in the phase {phase}")
    return context.results.phases[phase]


@dataclass(frozen=True)
class WholeLoadChecker(BaseChecker):
    """The load itself was what it should be: every request that was due was sent, ended and was recorded once."""

    def check(self, context: ValidationContext) -> bool:
        results = context.results
        flaws = {
            "never sent": results.never_sent,
            "sent and never ended": results.unfinished,
            "recorded twice": results.duplicated,
        }
        context.saw(", ".join([f"{results.overall.requests} requests", *(f"{n} {what}" for what, n in flaws.items())]))
        return not any(flaws.values())


@dataclass(frozen=True)
class SuccessRateChecker(BaseChecker):
    """At least this share of requests (percent) was answered in full, in one phase or (None) in all.

    Those whose clients left, as they were to, are not among them.
    """

    at_least: float = 100.0
    phase: str | None = None

    def __post_init__(self) -> None:
        if not 0 < self.at_least <= 100:
            raise UsageError(f"a success rate of {self.at_least} percent makes no sense: say one above 0 and up to 100")

    def check(self, context: ValidationContext) -> bool:
        seen = _measures(context, self.phase)
        errors = ", ".join(f"{count} {error}" for error, count in seen.errors.items()) or "no error"
        left = f", {seen.left} more were left by their clients" if seen.left else ""
        context.saw(f"{seen.completed} of {seen.requests - seen.left} requests were answered in full ({errors}){left}")
        return seen.success_rate >= self.at_least


@dataclass(frozen=True)
class AnsweredMeanwhileChecker(BaseChecker):
    """Every request that was due while the first fault was there was answered in full. Taking it back takes time of its
    own, which is not a part of it."""

    def check(self, context: ValidationContext) -> bool:
        marks, offset = context.journal.marks, context.results.clock_offset
        if not marks or marks[0].healing_at is None:
            raise NoData("nothing was done and taken back")
        due, begin, end = pl.col("due"), marks[0].began_at + offset, marks[0].healing_at + offset
        there = context.results.frame.filter(due.is_between(begin, end, closed="left")).select("status").collect()
        if there.is_empty():
            raise NoData(f"no request was due in the {end - begin:.1f} s")
        answered = int((there["status"] == "completed").sum())
        context.saw(f"of {len(there)} requests in {end - begin:.1f} s {answered} were answered in full")
        return answered == len(there)


@dataclass(frozen=True)
class LatencyChecker(BaseChecker):
    """A percentile of complete answers is at most so many milliseconds. Scaled by the run's timeout_scale."""

    timed = True

    at_most_ms: float
    measure: str = "p99_latency_ms"
    phase: str | None = None

    def check(self, context: ValidationContext) -> bool:
        seen = _measures(context, self.phase)
        value = getattr(seen, self.measure)
        if value is None:
            raise NoData(f"no answer has a {self.measure}")
        context.saw(f"{self.measure} was {value:.0f} ms over {seen.completed} answers")
        return bool(value <= scaled(self.at_most_ms))


@dataclass(frozen=True)
class RecoveryTimeChecker(BaseChecker):
    """So many seconds after the last fault began, every request is answered, and as quickly as before it
    (`support.results.recovery` says what that is)."""

    timed = True

    within: float

    def check(self, context: ValidationContext) -> bool:
        at = context.last_fault + context.results.clock_offset
        seen = context.results.recovery(at, quick_until=context.as_before_at)
        if seen.usual_ms is None:
            raise NoData("nothing was answered in full in the phase STANDARD: nobody knows what 'as before' is")
        context.saw(
            f"after the last fault: first success {_seconds(seen.first_success)}, all answered {_seconds(seen.steady)},"
            f" as quickly as before (nine in ten within {seen.usual_ms:.0f} ms) {_seconds(seen.as_before)}"
        )
        return seen.as_before is not None and seen.as_before <= scaled(self.within)


@dataclass(frozen=True)
class NoTokenLostChecker(BaseChecker):
    """Every answer that completed is exactly what it should be: no token lost, repeated, or strange."""

    of_words = True

    def check(self, context: ValidationContext) -> bool:
        seen = context.results.overall
        if seen.unjudged:
            raise NoData(f"of {seen.unjudged} answers nobody knows what they should be: the engine does not count")
        if not seen.tokens:
            raise NoData("not one token came")
        context.saw(
            f"of {seen.tokens} tokens {seen.tokens_lost} were lost, {seen.tokens_repeated} repeated,"
            f" {seen.tokens_stray} strange"
        )
        return not (seen.tokens_lost or seen.tokens_repeated or seen.tokens_stray)


@dataclass(frozen=True)
class NoHungRequestChecker(BaseChecker):
    """Every request ended by itself: none was given up by its client."""

    def check(self, context: ValidationContext) -> bool:
        results = context.results
        context.saw(f"of {results.overall.requests} requests {results.overall.hung} hung until their clients gave up")
        return not results.overall.hung and not results.unfinished


@dataclass(frozen=True)
class NoSilenceChecker(BaseChecker):
    """No client waits longer than so many seconds for the next sign of life: a token, or the end of its request."""

    timed = True

    within: float

    def check(self, context: ValidationContext) -> bool:
        longest = (context.results.overall.max_silence_ms or 0.0) / 1000
        context.saw(f"the longest silence was {longest:.2f} s")
        return longest <= scaled(self.within)


@dataclass(frozen=True)
class NewcomersHearChecker(BaseChecker):
    """Whoever came when a fault was there for `after` seconds heard something within so many seconds (scaled).

    Those who came before may have been at a worker that was being lost: of these it is not said how soon.
    """

    timed = True

    within: float
    after: float = 1.0

    def check(self, context: ValidationContext) -> bool:
        results = context.results
        begin = max((fault.begin for fault in results.marks.faults), default=None)
        if begin is None:
            raise NoData("nothing was done to the deployment")
        came = results.frame.filter(pl.col("due") >= begin + self.after)
        heard = pl.coalesce("ttft_ms", "latency_ms")
        count, longest = came.select(pl.len(), heard.max()).collect().row(0)
        if not count:
            raise NoData(f"nobody came {self.after:g} s after it and later")
        context.saw(f"the longest of {count} newcomers waited {longest / 1000:.2f} s")
        return bool(longest <= scaled(self.within) * 1000)


TOLD = re.compile(r"http \d+|error_event")
"""Errors of which Dynamo itself has told the client; the others are cut connections, silence, or nonsense."""


@dataclass(frozen=True)
class ToldChecker(BaseChecker):
    """Whoever did not get a whole answer was told of an error by Dynamo: nobody was cut off, and none was left."""

    def check(self, context: ValidationContext) -> bool:
        errors = context.results.overall.errors
        untold = {error: count for error, count in errors.items() if not TOLD.fullmatch(error)}
        context.saw(
            f"told of an error: {sum(errors.values()) - sum(untold.values())}, of nothing: {sum(untold.values())}"
            + "".join(f" ({count} {error})" for error, count in untold.items())
        )
        return not untold


@dataclass(frozen=True)
class OnlyRefusedChecker(BaseChecker):
    """Whoever did not get a whole answer was refused with one of these statuses; `all_of_them`: so was everybody."""

    statuses: Sequence[int] = OVERLOADED
    all_of_them: bool = False

    def check(self, context: ValidationContext) -> bool:
        seen = context.results.overall
        refusals = {f"http {status}" for status in self.statuses}
        refused = sum(count for error, count in seen.errors.items() if error in refusals)
        others = {error: count for error, count in seen.errors.items() if error not in refusals}
        context.saw(
            f"of {seen.requests} requests {seen.completed} were answered in full, {refused} were refused with"
            f" {' or '.join(map(str, self.statuses))}"
            + "".join(f", {count} ended with {error}" for error, count in others.items())
        )
        return not others and not (self.all_of_them and seen.completed)


@dataclass(frozen=True)
class BegunAnswersChecker(BaseChecker):
    """Every answer that has begun is given in full, but to those who leave."""

    def check(self, context: ValidationContext) -> bool:
        return _given_in_full(context, pl.col("first_token").is_not_null())


@dataclass(frozen=True)
class StruckAnswersChecker(BaseChecker):
    """Every answer that had begun and was not complete when a fault began is given in full, but to those who leave."""

    def check(self, context: ValidationContext) -> bool:
        faults = context.results.marks.faults
        if not faults:
            raise NoData("nothing was done to the deployment")
        struck = [(pl.col("first_token") < fault.begin) & (pl.col("end") > fault.begin) for fault in faults]
        return _given_in_full(context, pl.any_horizontal(struck))


def _given_in_full(context: ValidationContext, which: pl.Expr) -> bool:
    """Whether those answers are; says how many are not."""
    counts = context.results.frame.filter(which).group_by("outcome").len().sort("outcome").collect()
    broken = {outcome: count for outcome, count in counts.iter_rows() if outcome not in ("completed", "left")}
    all_of_them = int(counts.get_column("len").sum())
    if not all_of_them:
        raise NoData("no answer had begun")
    told = ", ".join(f"{count} {outcome}" for outcome, count in broken.items()) or "none"
    context.saw(f"of {all_of_them} answers that had begun, {told} were not given in full")
    return not broken


@dataclass(frozen=True)
class NotReadyChecker(BaseChecker):
    """So many seconds (scaled) after a fault began, whoever comes is told that nobody serves (503).

    during: seconds for which they are watched; longer than Dynamo spares a worker that it could not reach (2.6), for
    only then does it try that one again. Where that would be after the fault's end, its last ones are watched: what a
    slow machine is given more time for lasts no longer than it is said to.
    """

    after: float
    during: float = 3.0

    def check(self, context: ValidationContext) -> bool:
        results = context.results
        begin = min((fault.begin for fault in results.marks.faults), default=None)
        if begin is None:
            raise NoData("nothing was done to the deployment")
        ends = [fault.end for fault in results.marks.faults if fault.end is not None]
        last = min(ends, default=inf) - self.during
        if last < begin + self.after:
            raise NoData("the fault did not last so long")
        begin = min(begin + scaled(self.after), last)
        came = pl.col("due").is_between(begin, begin + self.during, closed="left")
        counts = results.frame.filter(came).group_by("outcome").len().sort("outcome").collect()
        if not counts.height:
            raise NoData(f"nobody came in the {self.during:g} s")
        context.saw(", ".join(f"{count} {outcome}" for outcome, count in counts.iter_rows()))
        return counts.get_column("outcome").to_list() == ["http 503"]


@dataclass(frozen=True)
class PriorityChecker(BaseChecker):
    """99 of 100 urgent answers are complete within so many milliseconds, and half of the others take twice as long.

    Only the first is scaled by the run's timeout_scale: the second says that there was a crowd.
    """

    timed = True

    at_most_ms: float

    def check(self, context: ValidationContext) -> bool:
        urgent = context.beside(URGENT).results.overall
        others = _measures(context, "OVERFLOW")
        if urgent.p99_latency_ms is None or others.p50_latency_ms is None:
            raise NoData("no urgent answer, or no other one in the meantime")
        context.saw(
            f"{urgent.completed} of {urgent.requests} urgent answers, p99 {urgent.p99_latency_ms:.0f} ms;"
            f" p50 of the {others.completed} others {others.p50_latency_ms:.0f} ms"
        )
        quick = urgent.p99_latency_ms <= scaled(self.at_most_ms)
        return quick and urgent.completed == urgent.requests and others.p50_latency_ms >= 2 * self.at_most_ms


@dataclass(frozen=True)
class OtherFrontendsChecker(BaseChecker):
    """Where some frontends were struck, the clients of all others were answered in full."""

    def check(self, context: ValidationContext) -> bool:
        struck = {name for mark in context.journal.marks for name in mark.target.split(", ")}
        names = [f"frontend-{number}" for number in range(len(context.results.folder.plan.base_urls))]
        others = [number for number, name in enumerate(names) if name not in struck]
        if len(others) in (0, len(names)):
            raise NoData(f"{'all' if not others else 'none'} of {', '.join(names)} were struck: there are no others")
        seen = {names[number]: context.results.of_frontend(number) for number in others}
        context.saw(
            ", ".join(
                f"{name} answered {one.completed} of {one.requests} requests in full" for name, one in seen.items()
            )
        )
        return all(one.requests and one.completed == one.requests for one in seen.values())


@dataclass(frozen=True)
class RejectionChecker(BaseChecker):
    """Under overload requests were turned away as promised, and (`stops`) when it was over no more."""

    stops: bool = True

    def check(self, context: ValidationContext) -> bool:
        before, during, after = (
            sum(_measures(context, phase).errors.get(f"http {status}", 0) for status in OVERLOADED)
            for phase in ("STANDARD", "OVERFLOW", "RECOVERY")
        )
        context.saw(f"turned away: {before} before, {during} during, {after} after the overload")
        return not before and during > 0 and not (self.stops and after)


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.2f} s"
