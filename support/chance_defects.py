"""Defects of Dynamo that are met by chance: a race that a scenario can lose, and that a log then tells of.

A scenario that may meet one is tagged `@known_defect_by_chance.NAME`. It fails the run as any other, unless that log
was written in it: a failure of another cause is never excused.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

PREFIX = "known_defect_by_chance."


@dataclass(frozen=True)
class ChanceDefect:
    """One of them, and how it is known to have been met."""

    what: str
    """A sentence without its full stop."""
    logs: str
    """Whose log tells of it, as a pattern of file names in a scenario's evidence."""
    said: re.Pattern[str]


CHANCE_DEFECTS: Mapping[str, ChanceDefect] = {
    "lost_lease": ChanceDefect(
        "in Dynamo 1.4.2 all that a frontend has to take up again when it has lost an etcd member waits in one line, "
        "and where its lease comes last there, it ends",
        "frontend-*.log",
        re.compile(r"Unable to maintain lease\..*Unable to reconnect to ETCD cluster: deadline exceeded"),
    ),
}
"""By the name that a tag gives."""
TAGS = frozenset(PREFIX + name for name in CHANCE_DEFECTS)


def met(tags: Collection[str], evidence: Path) -> ChanceDefect | None:
    """The defect that a scenario with these tags has met, by the logs in its evidence."""
    for name, defect in CHANCE_DEFECTS.items():
        if PREFIX + name in tags and any(_tells(log, defect.said) for log in sorted(evidence.glob(defect.logs))):
            return defect
    return None


def _tells(log: Path, said: re.Pattern[str]) -> bool:
    with log.open(errors="replace") as lines:
        return any(map(said.search, lines))
