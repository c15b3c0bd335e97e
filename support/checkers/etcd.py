"""Checkers of etcd's members, and of the service while etcd is in trouble."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from support.checkers.base import BaseChecker, NoData, ValidationContext
from support.etcd_looks import EtcdLook, etcd_looks
from support.marks import Fault
from support.roster import looks
from support.waiting import scaled

NOTICES_WITHIN = 3.0
"""Seconds in which a member that leads finds out that it has no majority any more: twice its election timeout, and
what a look takes."""


def _looks(context: ValidationContext) -> list[EtcdLook]:
    context.looked = True
    seen = etcd_looks(context.log_dir)
    if not seen:
        raise NoData("nobody looked at the etcd members: it takes more than one of them")
    return seen


def _first_fault(context: ValidationContext) -> Fault:
    faults = context.results.marks.faults
    if not faults:
        raise NoData("nothing was done to the deployment")
    return faults[0]


@dataclass(frozen=True)
class NewLeaderChecker(BaseChecker):
    """Another member leads than before, at most so many seconds (scaled) after the first fault began."""

    within: float

    def check(self, context: ValidationContext) -> bool:
        seen, fault = _looks(context), _first_fault(context)
        before = [look for look in seen if look.leads and look.at < fault.begin]
        if not before:
            raise NoData("nobody led before anything was done")
        old = before[-1]
        new = next((one for one in seen if one.leads and one.at >= fault.begin and one.id != old.id), None)
        if new is None:
            context.saw(f"{old.member} led before, and nobody else after")
            return False
        took = new.at - fault.begin
        context.saw(f"{old.member} led before, and {new.member} {took:.1f} s after it, in term {new.term} ({old.term})")
        return new.term > old.term and took <= scaled(self.within)


@dataclass(frozen=True)
class OneLeaderChecker(BaseChecker):
    """In no term have two members led, and somebody led at the end."""

    def check(self, context: ValidationContext) -> bool:
        seen = _looks(context)
        led: dict[int, set[str]] = {}
        for look in seen:
            if look.leads:
                led.setdefault(look.term, set()).add(look.member)
        context.saw(", ".join(f"term {term}: {' and '.join(sorted(who))}" for term, who in sorted(led.items())))
        return bool(led) and all(len(who) == 1 for who in led.values()) and max(look.term for look in seen) in led


@dataclass(frozen=True)
class NoOldNewsChecker(BaseChecker):
    """A member that is cut off from the others answers nothing that needs their consent, as long as it is."""

    def check(self, context: ValidationContext) -> bool:
        seen, fault = _looks(context), _first_fault(context)
        meanwhile = [
            look
            for look in seen
            if look.member == fault.target
            and fault.begin + NOTICES_WITHIN <= look.at <= (fault.end or fault.begin) - NOTICES_WITHIN
        ]
        if not meanwhile:
            raise NoData(f"nobody looked at {fault.target} while it was {fault.name}")
        agreed = sum(look.agrees for look in meanwhile)
        context.saw(f"{fault.target} was asked {len(meanwhile)} times and answered {agreed} times")
        return not agreed


@dataclass(frozen=True)
class ListedChecker(BaseChecker):
    """So many seconds (scaled) after the first fault began, or after the last one was taken back, the frontend lists
    exactly so many workers."""

    workers: int
    within: float
    healed: bool = False

    def check(self, context: ValidationContext) -> bool:
        first = _first_fault(context)
        begin = max(fault.end or fault.begin for fault in context.results.marks.faults) if self.healed else first.begin
        later = [look for look in looks(context.log_dir) if look.at >= begin]
        if not later:
            raise NoData("nobody looked at the frontend's list")
        took = next((look.at - begin for look in later if len(look.listed) == self.workers), None)
        since = "taken back" if self.healed else "begun"
        context.saw(
            f"the frontend listed {self.workers} workers "
            + (f"{took:.1f} s after it was {since}" if took is not None else f"never after it was {since}")
        )
        return took is not None and took <= scaled(self.within)


@dataclass(frozen=True)
class PauseChecker(BaseChecker):
    """Answers keep coming: from one that is complete to the next it takes at most so many seconds (scaled)."""

    timed = True

    within: float

    def check(self, context: ValidationContext) -> bool:
        done = context.results.frame.filter(pl.col("status") == "completed").select("end").sort("end")
        longest = done.select(pl.col("end").diff().max()).collect().item()
        if longest is None:
            raise NoData("fewer than two answers are complete")
        context.saw(f"the longest time without a complete answer was {longest:.1f} s")
        return bool(longest <= scaled(self.within))


@dataclass(frozen=True)
class ServedAgainChecker(BaseChecker):
    """So many seconds (scaled) after the last fault was taken back the first answer is complete that was asked for
    then, and the last request but for which none fails was due."""

    timed = True

    within: float

    def check(self, context: ValidationContext) -> bool:
        ends = [fault.end for fault in context.results.marks.faults if fault.end is not None]
        if not ends:
            raise NoData("nothing was taken back")
        seen = context.results.recovery(max(ends))
        if seen.first_success is None or seen.steady is None:
            context.saw("it was never served again" if seen.first_success is None else "requests failed to the end")
            return False
        context.saw(
            f"after it was taken back: first success {seen.first_success:.1f} s, all answered {seen.steady:.1f} s"
        )
        return seen.steady <= scaled(self.within)
