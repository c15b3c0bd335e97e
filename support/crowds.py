"""What a deployment owes to those who behave while others do not read, eat its CPU, or start broken beside it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from support.checkers import BaseChecker, NoData, ValidationContext
from support.deployment import WRITTEN_WITHIN
from support.waiting import eventually
from support.world import World

_ABORTED = re.compile(r"Aborted Request ID: \S+ after (\d+) tokens")
_ROUTINE = re.compile(r"\S+Z +INFO ")
"""Threads that end after the one that failed say so, before or after its words."""
_ENDED = re.compile(r"ended \(with ([1-9]\d*)\)")


@dataclass(frozen=True)
class GeneratedAheadChecker(BaseChecker):
    """For those who did not read, the engine generated at most so many tokens each, and then waited for them."""

    readers: int
    at_most: int

    def check(self, context: ValidationContext) -> bool:
        counts = [int(count) for log in context.logs().values() for count in _ABORTED.findall(log)]
        if len(counts) != self.readers:
            raise NoData(f"the engines gave up {len(counts)} answers, {self.readers} clients let theirs stand")
        context.saw(f"for {len(counts)} clients that did not read, between {min(counts)} and {max(counts)} tokens")
        return max(counts) <= self.at_most


def expect_ended_with_reason(world: World, *, naming: str, within: float) -> None:
    """The worker that was started last has ended by itself with a failure status, its last words name the reason, and
    whoever started it was told both. naming: a word of the reason."""
    name = world.journal.marks[-1].target

    def ended() -> str:
        what = world.deployment.casualties().get(name, "is running")
        assert _ENDED.fullmatch(what), f"{name} {what}"
        return what

    how = eventually(ended, within=within, describe=f"{name} ends with a failure status")

    def last_words() -> str:
        said = [line for line in world.deployment.component(name).logs().splitlines() if line.strip()]
        words = [line.rstrip() for line in said if not _ROUTINE.match(line)]
        assert words, f"{name} said nothing before it ended but {said[-1:]}"
        assert naming in words[-1], f"the last words of {name} do not name {naming!r}: {words[-1]!r}"
        return words[-1]

    last = eventually(last_words, within=WRITTEN_WITHIN, describe=f"{name} has said why it ended")
    world.note(f"{name} {how} and said", last)
    told = world.journal.evidence[f"{name} started"]
    assert name in told, f"whoever started {name} was not told its name: {told!r}"
    assert last in told, f"whoever started {name} was not told its last words: {told!r}"
