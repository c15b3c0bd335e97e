"""Who serves, and whom the frontend lists as serving, over the time of a load: `roster.jsonl` in the load's folder.

A line is {"at": seconds since the epoch, "there": ["vllm-worker-0 (4711)", ...], "listed": ["10.0.0.5", ...],
"missing": [...], "ghosts": [...]}: the workers that run and are not frozen, with their process; the addresses of the
instances in the frontend's list; addresses that lack in it; and those that are in it too often, or whose worker is
gone. Over NATS instances have no address: then only their number is compared. A time at which the frontend does not
answer has no line.
"""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from support.deployment import Component, Deployment
from support.errors import SpecsError
from support.spec import GENERATING

FILE = "roster.jsonl"
EVERY = 0.25
"""Seconds."""


@dataclass(frozen=True)
class Look:
    """One look at a deployment."""

    at: float
    there: list[str]
    listed: list[str]
    missing: list[str]
    ghosts: list[str]

    @property
    def agrees(self) -> bool:
        return not self.missing and not self.ghosts


def look(deployment: Deployment, *, at: float) -> Look:
    """Now. ConnectionError when the frontend does not answer."""
    workers = [one for one in deployment.of_role(*GENERATING) if one.running and not one.frozen]
    there = Counter(one.address for one in workers)
    listed = Counter(instance.address for instance in deployment.instances())
    if set(listed) == {""}:
        there = Counter({"": there.total()})
    return Look(
        at,
        there=[_identity(one) for one in workers],
        listed=sorted(listed.elements()),
        missing=sorted((there - listed).elements()),
        ghosts=sorted((listed - there).elements()),
    )


def serving(deployment: Deployment) -> dict[str, str]:
    """Names of workers by the ids of their instances; none over NATS, where instances have no address."""
    names = {worker.address: worker.name for worker in deployment.workers}
    return {str(one.id): names[one.address] for one in deployment.instances() if one.address in names}


def _identity(worker: Component) -> str:
    """Another one when it was started again."""
    try:
        again = f", start {len(worker.ends) + 1}" if worker.ends else ""  # in another pod its number may be the same
        return f"{worker.name} ({worker.pid}{again})"
    except SpecsError:  # it has ended since
        return worker.name


class RosterKeeper:
    """Looks at a deployment while it is under load."""

    def __init__(self, deployment: Deployment, folder: Path, *, clock_offset: float) -> None:
        """clock_offset: seconds to add to CLOCK_MONOTONIC for seconds since the epoch."""
        self._deployment = deployment
        self._offset = clock_offset
        self._file = (folder / FILE).open("a")
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="roster", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Return when nobody looks any more. Safe to call twice."""
        self._over.set()
        self._thread.join()
        self._file.close()

    def _keep(self) -> None:
        while not self._over.wait(EVERY):
            try:
                seen = look(self._deployment, at=time.monotonic() + self._offset)
            except (OSError, SpecsError):  # no answer, or one of them has just ended
                continue
            self._file.write(json.dumps(asdict(seen)) + "\n")
            self._file.flush()


def looks(folder: Path) -> list[Look]:
    """All looks of a load; none where nobody looked."""
    file = folder / FILE
    return [Look(**json.loads(line)) for line in file.read_text().splitlines()] if file.exists() else []


def longest_disagreement(seen: Sequence[Look]) -> float:
    """Seconds, at most, that the list was wrong, each counted from the last change of who was there."""
    changed, longest = seen[0].at, 0.0
    for before, now in itertools.pairwise(seen):
        if now.there != before.there:
            changed = now.at
        if not now.agrees:
            longest = max(longest, now.at - changed)
    return longest
