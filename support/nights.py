"""Nights: one failure after the other, for as long as one likes, each of another kind than the one before."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from support.checkers import BaseChecker, NoData, ValidationContext
from support.errors import UsageError
from support.scenarios import Failure
from support.waiting import scaled

KINDS = ("kill", "pause", "terminate", "restart")
"""What happens to a worker in a night. What ends is started again by the deployment's own policy."""
FROZEN_FOR = 5.0
"""Seconds: half of a lease, so that a worker that was frozen is still there afterwards."""


def night(*, every: float, times: int, seed: int = 0) -> list[Failure]:
    """So many failures of one worker each, the first at once and the next ones `every` seconds (scaled) after it.

    All of `KINDS` come in turn, in an order that the seed gives, anew for each round. UsageError for fewer than one
    failure, or one every 15 seconds or less: Dynamo 1.4.2 needs 10 to know that a worker is gone, and 5 of good
    answers are needed to see that it is over.
    """
    if times < 1 or every <= 15:
        raise UsageError(f"{times} failures, one every {every:g} seconds: say at least 1, at most every 16 seconds")
    kinds = _kinds(random.Random(f"night {seed}"))
    return [
        Failure(
            type=kind,
            target="one worker",
            after_seconds=every if number else None,
            lasts=FROZEN_FOR if kind == "pause" else None,
        )
        for number, kind in zip(range(times), kinds, strict=False)
    ]


@dataclass(frozen=True)
class EveryRecoveryChecker(BaseChecker):
    """So many seconds after each fault, and until the next one, all is as before (`support.results.recovery`)."""

    within: float

    def check(self, context: ValidationContext) -> bool:
        offset = context.results.clock_offset
        marks = context.journal.marks
        if not marks:
            raise NoData("nothing was done to the deployment")
        nexts = [*(mark.began_at + offset for mark in marks[1:]), None]
        took = [
            context.results.recovery(mark.began_at + offset, until=until).as_before
            for mark, until in zip(marks, nexts, strict=True)
        ]
        late = [
            f"{mark.target} {mark.name}: {'never' if seconds is None else f'{seconds:.2f} s'}"
            for mark, seconds in zip(marks, took, strict=True)
            if seconds is None or seconds > scaled(self.within)
        ]
        known = [seconds for seconds in took if seconds is not None]
        longest = f"at most {max(known):.2f} s" if known else "nobody knows how long"
        context.saw(f"{len(marks)} failures, all as before after {longest}; late: {', '.join(late) or 'none'}")
        return not late


def _kinds(chance: random.Random) -> Iterator[str]:
    while True:
        yield from chance.sample(KINDS, len(KINDS))
