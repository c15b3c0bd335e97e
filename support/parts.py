"""One part of a run of several: which of the selected scenarios are its own (`./specs run -j N`).

Every part selects the same scenarios and makes the same division of them: nobody needs to tell it to the others.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support import tags

VARIABLE = "DYNAMO_FAULT_SPECS_PART"
"""Environment variable of a part: its number and how many there are, as "2/3", and a line for each that was put off."""
ALONE = "serial"
"""Tag of scenarios that may not have others beside them; they are part 0, which runs when the others are done, together
with what those have put off."""
NOTHING = 64
"""Exit status of a part that has no scenario."""
Scenario = Any
"""behave.model.Scenario; behave has no types."""
_EACH = 30
"""Seconds that a scenario takes besides those that it speaks of."""
_SECONDS = re.compile(r"\b(\d+) seconds?\b")


@dataclass(frozen=True)
class Part:
    """number: from 1 to `of`, or 0 for what runs alone."""

    number: int
    of: int
    put_off: tuple[str, ...] = ()
    """Places (file:line) of scenarios of other parts that part 0 runs as well (`support.put_off`)."""

    @classmethod
    def of_environment(cls, environment: Mapping[str, str] = os.environ) -> Part | None:
        """None in a run that is not divided."""
        if VARIABLE not in environment:
            return None
        said, *put_off = environment[VARIABLE].split("\n")
        number, _, of = said.partition("/")
        return cls(int(number), int(of), tuple(put_off))

    def __str__(self) -> str:
        return "\n".join([f"{self.number}/{self.of}", *self.put_off])

    def keep(self, selected: Sequence[Scenario], skipped: Sequence[Scenario] = ()) -> int:
        """Leave out those of other parts, as behave does with scenarios of another place. Answers how many are left.

        skipped: what is selected as well and costs nothing, for it will be skipped: it is divided for itself.
        """
        own = {id(scenario) for group in (selected, skipped) for scenario in divide(group, self.of)[self.number]}
        own |= {id(scenario) for scenario in selected if str(scenario.location) in self.put_off}
        for scenario in (*selected, *skipped):
            if id(scenario) not in own:
                scenario.mark_skipped()
        return len(own)


def divide(scenarios: Sequence[Scenario], parts: int) -> list[list[Scenario]]:
    """Part 0 and the others, each in the order given.

    What stands in one rule for one backend stays together, since such scenarios often share a deployment; the longest
    group goes first, to the part that has least to do.
    """
    groups: dict[tuple[str, str, str], list[Scenario]] = defaultdict(list)
    alone = [one for one in scenarios if ALONE in one.effective_tags]
    for one in scenarios:
        if ALONE not in one.effective_tags:
            groups[_group(one)].append(one)
    found: list[list[Scenario]] = [[] for _ in range(parts)]
    taken = [0] * parts
    for group in sorted(groups.values(), key=_seconds, reverse=True):
        least = taken.index(min(taken))
        found[least].extend(group)
        taken[least] += _seconds(group)
    order = {id(one): place for place, one in enumerate(scenarios)}
    return [alone, *(sorted(part, key=lambda one: order[id(one)]) for part in found)]


def _seconds(scenarios: Sequence[Scenario]) -> int:
    """About how long they take: so many seconds each, and those for which what they do is said to last."""
    done = [step for one in scenarios for step in one.steps if step.step_type == "when"]
    said = [step.name for step in done] + [cell for step in done for row in step.table or () for cell in row]
    return _EACH * len(scenarios) + sum(int(number) for text in said for number in _SECONDS.findall(text))


def _group(scenario: Scenario) -> tuple[str, str, str]:
    backends = sorted(tags.FAMILIES["backend"] & set(scenario.effective_tags))
    rule = scenario.parent.name if scenario.parent is not None else ""
    return str(Path(scenario.location.filename)), rule, " ".join(backends)
