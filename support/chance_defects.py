"""Defects of Dynamo that are met by chance: a race that a scenario can lose, and that logs then tell of.

A scenario that may meet one is tagged `@known_defect_by_chance.NAME`. It fails the run as any other, unless its logs
say that it has met it: a broken promise, or the end of a component, that has another cause is never excused. An answer
that completed and is not what it should be never is: a part that ends or waits does not change what others are told.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

PREFIX = "known_defect_by_chance."
_LOST = re.compile(r"Unable to maintain lease\..*Unable to reconnect to ETCD cluster: deadline exceeded")
_GIVEN_UP = re.compile(r"Unable to maintain lease\.")
_DROPPED = re.compile(r"worker failed to handle request .*Failed to create response stream")
_STARTS, _REGISTERED, _KNOWN = "Initializing NetworkManager", "Registered endpoint", "added model"
_ENDS = "Runtime shutdown initiated"


@dataclass(frozen=True)
class ChanceDefect:
    """One of them, and how it is known to have been met."""

    what: str
    """A sentence without its full stop."""
    met: Callable[[Path], bool]
    """By the logs in a scenario's evidence."""


def met(tags: Collection[str], evidence: Path) -> ChanceDefect | None:
    """The defect that a scenario with these tags has met."""
    mine = (defect for name, defect in CHANCE_DEFECTS.items() if PREFIX + name in tags)
    return next((defect for defect in mine if defect.met(evidence)), None)


def _lost_lease(evidence: Path) -> bool:
    """A frontend or worker said that it has lost its lease for want of a connection."""
    return _said(_LOST, evidence)


def _said(words: re.Pattern[str], evidence: Path) -> bool:
    """By a frontend or worker."""
    return any(words.search(_text(log)) for name in ("frontend-*.log", "*-worker-*.log") for log in evidence.glob(name))


def _lease_given_up(evidence: Path) -> bool:
    """The same, for whatever reason."""
    return _said(_GIVEN_UP, evidence)


def _deaf_frontend(evidence: Path) -> bool:
    """A frontend that started here has known of no model since, though a worker that runs has registered one."""
    started = [log for log in evidence.glob("frontend-*.log") if _started_here(log)]
    registered = any(_has_registered(log) for log in evidence.glob("*-worker-*.log"))
    return registered and any(_KNOWN not in _since_its_start(log) for log in started)


def _has_registered(log: Path) -> bool:
    """Since its last start; one that has run since before the scenario did so then, and is known until it ends."""
    since = _since_its_start(log)
    return _REGISTERED in since if _started_here(log) else _ENDS not in since


def _waiting_frontend(evidence: Path) -> bool:
    """A frontend has begun to end: where it has not ended, it waits for requests."""
    return any(_ENDS in _since_its_start(log) for log in evidence.glob("frontend-*.log"))


def _dropped_request(evidence: Path) -> bool:
    """No request hung but those that were never answered, of which workers said that they could not call back."""
    # The last line of a client that was killed may be only half there.
    whole = (_text(log).rpartition("\n")[0] for log in evidence.glob("load/records-*.jsonl"))
    records = (json.loads(line) for lines in whole for line in lines.splitlines())
    hung = [record for record in records if record["error_class"] == "timeout"]
    dropped = sum(len(_DROPPED.findall(_text(log))) for log in evidence.glob("*-worker-*.log"))
    return 0 < len(hung) <= dropped and all(record["headers"] is None for record in hung)


def _started_here(log: Path) -> bool:
    """It has found etcd anew in this scenario. A deployment that is used again tells of no start."""
    return _STARTS in _text(log)


def _since_its_start(log: Path) -> str:
    """What it has written since it found etcd, when it started last; all of it where that was before the scenario."""
    return _text(log).rpartition(_STARTS)[2]


def _text(log: Path) -> str:
    return log.read_text(errors="replace")


CHANCE_DEFECTS: Mapping[str, ChanceDefect] = {
    "lost_lease": ChanceDefect(
        "in Dynamo 1.4.2 all that a frontend or worker has to take up again when it has lost an etcd member waits in "
        "one line, and where its lease comes last there, it ends",
        _lost_lease,
    ),
    "lease_given_up": ChanceDefect(
        "in Dynamo 1.4.2 a frontend or worker gives its lease up when the etcd member that it leans on is lost for "
        "long, with a majority of the others in reach",
        _lease_given_up,
    ),
    "deaf_frontend": ChanceDefect(
        "in Dynamo 1.4.2 a frontend that starts asks once which models there are, and where it asks an etcd member "
        "that does not answer at that moment, it knows of none for ever",
        _deaf_frontend,
    ),
    "waiting_frontend": ChanceDefect(
        "in Dynamo 1.4.2 requests that come when its workers have just stopped, and that nobody answers, keep a "
        "frontend that has lost etcd from ending",
        _waiting_frontend,
    ),
    "dropped_request": ChanceDefect(
        "in Dynamo 1.4.2 a worker that has just got a request when it can call the frontend no more drops it without a "
        "word, and whoever asked waits for ever",
        _dropped_request,
    ),
}
"""By the name that a tag gives."""
TAGS = frozenset(PREFIX + name for name in CHANCE_DEFECTS)
