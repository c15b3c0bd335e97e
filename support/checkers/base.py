"""What every checker is, what it is given, and how several are judged."""

from __future__ import annotations

import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from support.errors import UsageError
from support.faults.journal import Journal
from support.faults.overload import records_of
from support.results import Results

Vital = Mapping[str, float]
"""Values of one component by series, as `support.sampling.sample` gives them."""


class NoData(Exception):
    """A checker asked for what is not there: it fails, whatever it would have said."""


@dataclass
class ValidationContext:
    """What is known of a deployment that was under load. Asking for what is not there raises `NoData`."""

    name: str
    log_dir: Path
    """Of the load: its records, marks and samples."""
    loaded: Results
    journal: Journal
    counted: Mapping[str, float] = field(default_factory=dict)
    before: Mapping[str, Vital] = field(default_factory=dict)
    """Vitals of each component before the load, by name."""
    after: Mapping[str, Vital] = field(default_factory=dict)
    """The same when the load was over and nothing was in flight."""
    serving: Mapping[str, str] = field(default_factory=dict)
    """Workers by the ids that answers name them by, as it was before the load."""
    logs: Callable[[], Mapping[str, str]] = dict
    """What each component wrote since the load began; a deployment may have served before."""
    as_before_at: float = float("inf")
    """When requests were seen to be answered as before for long enough (seconds since the epoch); the load ended then.
    inf: nobody waited for that, or in vain."""
    seen: list[str] = field(default_factory=list)
    looked: bool = False

    @property
    def results(self) -> Results:
        """What the clients saw. NoData when there was not one request."""
        self.looked = True
        if not self.loaded.overall.requests:
            raise NoData("no request was recorded")
        return self.loaded

    @property
    def metrics(self) -> Mapping[str, float]:
        """By how much Dynamo's counters have grown: "migrations_total", "rejections_total", "cancellations_total",
        "requests_total", "requests_succeeded". NoData when nobody can say (a frontend that was killed)."""
        self.looked = True
        if not self.counted:
            raise NoData("Dynamo's counters are unknown: a frontend was killed or did not answer")
        return self.counted

    @property
    def last_fault(self) -> float:
        """When the last fault began (CLOCK_MONOTONIC, seconds). NoData when there was none."""
        self.looked = True
        if not self.journal.marks:
            raise NoData("nothing was done to the deployment")
        return self.journal.marks[-1].began_at

    def beside(self, name: str) -> ValidationContext:
        """The same, of what the clients of a second load saw (`support.faults.overload`)."""
        self.looked = True
        folder = records_of(name, self.log_dir.parent)
        return replace(self, log_dir=folder, loaded=Results(folder), seen=[], looked=False)

    def saw(self, what: str) -> None:
        """Keep for the report what a checker looked at."""
        self.looked = True
        self.seen.append(what)


class BaseChecker(ABC):
    """One thing that must be true. Combine with `&`, `|` and `~`."""

    timed: ClassVar[bool] = False
    """It judges how long things took, which a load client that is late itself cannot tell."""
    of_words: ClassVar[bool] = False
    """It judges what answers that completed say, which is never a matter of chance (`support.chance_defects`)."""

    @abstractmethod
    def check(self, context: ValidationContext) -> bool:
        """Whether it is true. Say by `context.saw(...)` what was looked at."""

    @property
    def name(self) -> str:
        return type(self).__name__

    def __and__(self, other: BaseChecker) -> BaseChecker:
        return _Both(self, other)

    def __or__(self, other: BaseChecker) -> BaseChecker:
        return _Either(self, other)

    def __invert__(self) -> BaseChecker:
        return _Not(self)


@dataclass(frozen=True)
class _Both(BaseChecker):
    one: BaseChecker
    other: BaseChecker

    def check(self, context: ValidationContext) -> bool:
        first, second = self.one.check(context), self.other.check(context)  # both say what they saw
        return first and second

    @property
    def name(self) -> str:
        return f"{self.one.name} and {self.other.name}"


@dataclass(frozen=True)
class _Either(BaseChecker):
    one: BaseChecker
    other: BaseChecker

    def check(self, context: ValidationContext) -> bool:
        first, second = self.one.check(context), self.other.check(context)
        return first or second

    @property
    def name(self) -> str:
        return f"{self.one.name} or {self.other.name}"


@dataclass(frozen=True)
class _Not(BaseChecker):
    one: BaseChecker

    def check(self, context: ValidationContext) -> bool:
        return not self.one.check(context)

    @property
    def name(self) -> str:
        return f"not {self.one.name}"


@dataclass(frozen=True)
class Verdict:
    """What one checker said, and what it saw."""

    checker: str
    passed: bool
    saw: str
    timed: bool = False
    """As `BaseChecker.timed`."""
    of_words: bool = False
    """As `BaseChecker.of_words`."""

    def __str__(self) -> str:
        return f"{self.checker}: {'kept' if self.passed else 'BROKEN'}: {self.saw}"


def checker(name: str, **options: Any) -> BaseChecker:
    """A checker by the name of its class, also of one that the user wrote. UsageError that lists what there is."""
    there = {one.__name__: one for one in _below(BaseChecker) if not one.__name__.startswith("_")}
    if name not in there:
        raise UsageError(f"there is no checker {name!r}: there are {', '.join(sorted(there))}")
    try:
        return there[name](**options)
    except TypeError as wrong:
        raise UsageError(f"{name} does not take {', '.join(options)}: {wrong}") from wrong


def judge(checkers: Sequence[BaseChecker], context: ValidationContext) -> list[Verdict]:
    """Every checker's verdict. One that finds no data, looks at nothing, or raises, has failed."""
    return [_verdict(one, context) for one in checkers]


def expect(checkers: Sequence[BaseChecker], context: ValidationContext) -> list[Verdict]:
    """As `judge`; AssertionError that says what each failed one saw."""
    verdicts = judge(checkers, context)
    broken = [str(verdict) for verdict in verdicts if not verdict.passed]
    assert not broken, "; ".join(broken)
    return verdicts


def _verdict(one: BaseChecker, context: ValidationContext) -> Verdict:
    context.seen, context.looked = [], False
    try:
        passed = bool(one.check(context))
    except NoData as missing:
        return Verdict(one.name, False, f"no data: {missing}")
    except Exception as bug:  # noqa: BLE001  # of a user's checker: whatever it is, nothing was shown
        where = traceback.extract_tb(bug.__traceback__)[-1]
        return Verdict(one.name, False, f"it raised {type(bug).__name__}: {bug} ({where.name}, line {where.lineno})")
    if not context.looked:
        return Verdict(one.name, False, "no data: it looked at nothing")
    return Verdict(
        one.name, passed, "; ".join(context.seen) or ("true" if passed else "false"), one.timed, one.of_words
    )


def _below(parent: Any) -> Iterator[type[BaseChecker]]:
    for child in parent.__subclasses__():
        yield child
        yield from _below(child)
