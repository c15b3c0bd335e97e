"""What a deployment says of itself while it is under load: some of its metrics and vitals, about twice a second.

Samples are lines of `samples.jsonl`: {"at": seconds since the epoch, "component": "frontend-0", "series": "migrations",
"value": 3.0}. A component that does not answer has no sample for that time.
"""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import IO

from support.counts import MIGRATIONS, REJECTIONS
from support.deployment import Component, Deployment
from support.errors import SpecsError
from support.metrics import Metrics
from support.spec import GENERATING

FILE = "samples.jsonl"
EVERY = 0.5
"""Seconds."""
CPU_WAIT = "cpu_wait"
"""Series of `Vitals.cpu_wait`."""
_FRONTEND: dict[str, Callable[[Metrics], float]] = {
    "migrations": lambda scrape: scrape.total(MIGRATIONS.metric),
    "rejections": lambda scrape: scrape.total(REJECTIONS.metric),
    "in_flight": lambda scrape: scrape.total("dynamo_frontend_inflight_requests"),
}
_WORKER: dict[str, Callable[[Metrics], float]] = {
    "running": lambda scrape: scrape.total("counting_engine_running_requests"),
    "queued": lambda scrape: scrape.total("counting_engine_waiting_requests"),
    "blocks": lambda scrape: scrape.total("counting_engine_used_blocks"),
}


def sample(component: Component) -> dict[str, float]:
    """Its values now, by series; empty when it does not answer or does not run."""
    wanted = _FRONTEND if component.role == "frontend" else _WORKER
    try:
        scrape = component.metrics()
        vitals = component.vitals()
    except (ConnectionError, SpecsError, OSError):
        return {}
    values = {series: read(scrape) for series, read in wanted.items()}
    held = {"rss_mb": vitals.rss / 1e6, "fds": float(vitals.fds), "threads": float(vitals.threads)}
    return values | held | {CPU_WAIT: vitals.cpu_wait}


@dataclass(frozen=True)
class Sampled:
    """One line of `samples.jsonl`."""

    at: float
    component: str
    series: str
    value: float


def samples(folder: Path) -> Iterator[Sampled]:
    """All that were taken of a load; none where nobody took any."""
    file = folder / FILE
    if file.exists():
        with file.open() as lines:
            yield from (Sampled(**json.loads(line)) for line in lines)


def waits(folder: Path, *, over: float, apart_from: Sequence[tuple[float, float]] = ()) -> dict[str, float]:
    """How long the threads of each component together waited for a processor, in seconds for each second, at its worst.

    over: seconds that are looked at together; who was not seen for as long is left out.
    apart_from: times (seconds since the epoch) that are left out.
    """
    taken: dict[str, list[Sampled]] = defaultdict(list)
    for told in samples(folder):
        if told.series == CPU_WAIT:
            taken[told.component].append(told)
    shares = {name: list(_shares(each, over, apart_from)) for name, each in taken.items()}
    return {name: max(found) for name, found in shares.items() if found}


def _shares(taken: Sequence[Sampled], over: float, apart_from: Sequence[tuple[float, float]]) -> Iterator[float]:
    """The share of each stretch that is just long enough. A process that was started anew counts from 0 again."""
    stretch: deque[tuple[float, float]] = deque()
    for one, next_one in pairwise(taken):
        if any(one.at < end and next_one.at > begin for begin, end in apart_from):
            continue
        stretch.append((next_one.at - one.at, max(next_one.value - one.value, 0.0)))
        while sum(lasted for lasted, _ in stretch) - stretch[0][0] >= over:
            stretch.popleft()
        whole = sum(lasted for lasted, _ in stretch)
        if whole >= over:
            yield sum(waited for _, waited in stretch) / whole


class Sampler:
    """Samples every frontend and worker, each in a thread of its own so that a frozen one holds up no other."""

    def __init__(self, deployment: Deployment, file: Path, *, clock_offset: float) -> None:
        """clock_offset: seconds to add to CLOCK_MONOTONIC for seconds since the epoch."""
        self._deployment = deployment
        self._offset = clock_offset
        self._file: IO[str] = file.open("a")
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._threads: dict[str, threading.Thread] = {}
        self._newest: dict[tuple[str, str], float] = {}

    def start(self) -> None:
        """Begin, and follow components that join."""
        self._overseer = threading.Thread(target=self._oversee, name="samples", daemon=True)
        self._overseer.start()

    def value(self, series: str) -> float | None:
        """The newest value of a series, summed over components; None when there is none yet."""
        with self._lock:
            found = [value for (_, name), value in self._newest.items() if name == series]
        return sum(found) if found else None

    def stop(self) -> None:
        """Return when no thread samples any more."""
        self._over.set()
        for thread in [self._overseer, *self._threads.values()]:
            thread.join()
        self._file.close()

    def _oversee(self) -> None:
        while not self._over.is_set():
            for component in self._deployment.of_role("frontend", *GENERATING):
                if component.name not in self._threads:
                    thread = threading.Thread(target=self._follow, args=(component,), daemon=True)
                    self._threads[component.name] = thread
                    thread.start()
            self._over.wait(EVERY)

    def _follow(self, component: Component) -> None:
        due = time.monotonic()
        while not self._over.is_set():
            self._keep(component.name, time.monotonic(), sample(component))
            due = max(due + EVERY, time.monotonic())
            self._over.wait(due - time.monotonic())

    def _keep(self, name: str, at: float, values: Mapping[str, float]) -> None:
        when = round(at + self._offset, 3)
        lines = [
            json.dumps({"at": when, "component": name, "series": series, "value": value})
            for series, value in values.items()
        ]
        with self._lock:
            self._newest.update({(name, series): value for series, value in values.items()})
            self._file.writelines(f"{line}\n" for line in lines)
            self._file.flush()
