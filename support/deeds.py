"""What is done to whom, in the words of the features: single deeds, and tables of them with their times."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import parse

from injector.words import XIDS
from support.errors import UsageError
from support.scenarios import Failure


@dataclass(frozen=True)
class Deed:
    """What is done to somebody, and for how long."""

    kind: str
    lasts: float | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)

    def to(self, whom: str, **when: Any) -> Failure:
        return Failure(type=self.kind, target=whom, lasts=self.lasts, parameters=self.parameters, **when)


_OFF = {
    "everybody": "everybody",
    "etcd": "etcd",
    "the other etcd members": "etcd",
    "an etcd follower": "one etcd follower",
    "NATS": "nats",
    "the frontend": "frontend",
}
_DEEDS: dict[str, tuple[str, Mapping[str, str]]] = {
    "killed": ("kill", {}),
    "asked to end": ("terminate", {}),
    "frozen": ("pause", {}),
    "away": ("absence", {}),
    "taken away": ("scale_down", {}),
    "restarted one by one": ("rolling_restart", {}),
    "restarted one by one with 10 seconds in between": ("rolling_restart", {"min_ready_seconds": "10"}),
    "replaced one by one": ("rolling_replacement", {}),
    "joined by one more": ("scale_up", {}),
    "joined by a new one that nobody waits for": ("join", {}),
    "ten times slower": ("slow", {}),
    "killed and started again 5 times": ("churn", {}),
    "gone": ("gone", {}),
    "gone with what it stored": ("gone", {"data": "lost"}),
    "replaced by an empty one": ("replace_member", {}),
    "out of space": ("no_space", {}),
    "restarted": ("restart", {}),
    "made to forget its history": ("compact", {}),
    "deleted": ("delete_pod", {}),
    "deleted without grace": ("delete_pod", {"grace": "0"}),
    "evicted": ("evict", {}),
    "evicted as far as that is allowed": ("evict_within_budget", {}),
    "drained": ("drain", {}),
    "lost": ("lose_node", {}),
    **{f"cut off from {words}": ("partition", {"off": off}) for words, off in _OFF.items()},
    **{f"not heard by {words}": ("partition", {"off": off, "direction": "out"}) for words, off in _OFF.items()},
    **{f"deaf to {words}": ("partition", {"off": off, "direction": "in"}) for words, off in _OFF.items()},
    "cut off from etcd with a fresh lease": ("partition", {"off": "etcd", "lease": "fresh"}),
    "left with 7 of 10 packets from etcd": ("partition", {"off": "etcd", "loss": "30"}),
    **{
        f"left with 500 bytes a second from {words}": ("partition", {"off": "etcd", "bytes_per_second": "500"})
        for words in ("etcd", "the other etcd members")
    },
}
_STRAINS = {
    "throttled": "THROTTLE",
    "overheated": "OVERHEAT",
    "shared with others": "COMPUTE_OVERLOAD",
    "short of memory": "MEMORY_PRESSURE",
}
_SEVERITIES = {"slightly": "LOW", "moderately": "MEDIUM", "severely": "HIGH"}
_SEPARATED: dict[str, Mapping[str, str]] = {
    "the frontend": {"partition": "FRONTEND_WORKER"},
    "NATS": {"partition": "WORKER_NATS"},
    "another worker": {"partition": "WORKER_WORKER"},
    "etcd": {"partition": "CUSTOM", "off": "etcd-0"},
}
_INJECTED: dict[str, tuple[str, Mapping[str, str]]] = {
    **{
        f"{adverb} {words}": ("gpu", {"strain": strain, "severity": severity})
        for adverb, severity in _SEVERITIES.items()
        for words, strain in _STRAINS.items()
    },
    **{f"reported with XID {code}": ("xid", {"code": str(code)}) for code in XIDS},
    **{f"struck by XID {code}": ("xid", {"code": str(code), "effect": "APPLICATION"}) for code in XIDS},
    **{f"separated from {words}": ("network", asked) for words, asked in _SEPARATED.items()},
    **{f"refused by {words}": ("network", {**asked, "action": "REJECT"}) for words, asked in _SEPARATED.items()},
    "kept from calling the frontend": (
        "network",
        {"partition": "CUSTOM", "off": "frontend-0", "action": "REJECT", "direction": "OUT"},
    ),
}
"""Done by the injection service; "by a fault of 5 seconds" when it shall end it by itself."""
_ALL = _DEEDS | _INJECTED
_WORDS = "|".join(sorted(_ALL, key=len, reverse=True))
_BY_ITSELF = r"(?:, by a fault of (\d+) seconds( whose injector is killed)?)?"
_DEED = re.compile(rf"(?:is|are) ({_WORDS}){_BY_ITSELF}(?: for (\d+) seconds)?")


@parse.with_pattern(_DEED.pattern.replace("(?:", "(").replace("(", "(?:"))
def parse_deed(text: str) -> Deed:
    """ "is killed", "are restarted one by one", "is frozen for 15 seconds"."""
    match = _DEED.fullmatch(text)
    assert match, "the pattern lets nothing else through"
    kind, parameters = _ALL[match[1]]
    if match[2]:
        parameters = {**parameters, "seconds": match[2]} | ({"forgotten": "yes"} if match[3] else {})
    return Deed(kind, float(match[4]) if match[4] else None, parameters)


_WHEN: dict[str, Callable[[str], dict[str, Any]]] = {
    r"at once": lambda n: {"at_once": True},
    r"after (\d+) requests": lambda n: {"trigger_after_requests": int(n)},
    r"(\d+(?:\.\d+)?) seconds? later": lambda n: {"after_seconds": float(n)},
    r"during (STANDARD|OVERFLOW|RECOVERY)": lambda n: {"at_phase": n},
    r"when (.+ [<>] .+)": lambda n: {"when_metric": n},
}


def failures_of(rows: Iterable[Mapping[str, str]]) -> list[Failure]:
    """From the rows of a table | what happens | to whom | when |. UsageError names the cell that is wrong."""
    try:
        return [_failure(row["what happens"], row["to whom"], row["when"]) for row in rows]
    except KeyError as missing:
        raise UsageError(f"the table of what happens has no column {missing}") from None


def _failure(what: str, whom: str, when: str) -> Failure:
    deed = _DEED.fullmatch(f"is {what}")
    if not deed:
        raise UsageError(f"{what!r} is nothing that can be done: choose one of {', '.join(_ALL)}")
    for pattern, time in _WHEN.items():
        if match := re.fullmatch(pattern, when):
            done: Deed = parse_deed(deed[0])
            return done.to(whom, **time(match[1] if match.groups() else ""))
    raise UsageError(f"{when!r} is no time: say such as 'after 50 requests', '2 seconds later', 'at once'")
