"""What Dynamo itself counts, under the names that the promises use.

Names of metrics are those of ai-dynamo 1.4.2. Counters only grow, so what happened in a scenario is the difference
to a scrape from before it (`Counts`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from support.deployment import Component
from support.errors import DeploymentError, Silent
from support.metrics import Metrics
from support.spec import GENERATING
from support.waiting import eventually

Scrapes = Mapping[str, Metrics]
"""By component name."""


@dataclass(frozen=True)
class Counter:
    """One thing that is counted, by whom, and under which name."""

    what: str
    """In the plural, for messages: "migrations"."""
    where: Literal["frontend", "worker"]
    metric: str
    labels: Mapping[str, str] = field(default_factory=dict)
    beside: str = ""
    """A metric of the same component that is there from the start. A labelled counter is there only after its first
    event; without this one it is not 0 but unknown to this version of Dynamo."""

    def read(self, scrape: Metrics) -> float:
        """Its value. DeploymentError when this Dynamo does not count it."""
        if self.beside and self.beside not in scrape:
            raise DeploymentError(f"this Dynamo does not tell how many {self.what} there were: it has no {self.beside}")
        return scrape.total(self.metric, **self.labels)


_LIMIT = "dynamo_frontend_model_migration_limit"
_CLIENTS = "dynamo_frontend_disconnected_clients"

MIGRATIONS = Counter("migrations of any kind", "frontend", "dynamo_frontend_model_migration_total", beside=_LIMIT)
"""Requests that a frontend moved to another worker."""
ONGOING_MIGRATIONS = Counter(
    "migrations of running requests", "frontend", MIGRATIONS.metric, {"migration_type": "ongoing_request"}, _LIMIT
)
NEW_MIGRATIONS = Counter(
    "migrations of requests not begun", "frontend", MIGRATIONS.metric, {"migration_type": "new_request"}, _LIMIT
)
TOO_LONG = Counter(
    "requests too long for a migration",
    "frontend",
    "dynamo_frontend_model_migration_max_seq_len_exceeded_total",
    beside=_LIMIT,
)
REJECTIONS = Counter("rejections", "frontend", "dynamo_frontend_model_rejection_total", beside=_CLIENTS)
"""Requests that a frontend turned away because every worker was busy."""
CANCELLATIONS = Counter("cancellations", "frontend", "dynamo_frontend_model_cancellation_total", beside=_CLIENTS)
"""Requests whose client left."""
WORKER_CANCELLATIONS = Counter(
    "cancellations at workers", "worker", "dynamo_component_cancellation_total", {"dynamo_endpoint": "generate"}
)
REQUESTS = Counter("requests", "frontend", "dynamo_frontend_requests_total", beside=_CLIENTS)
SUCCEEDED = Counter(
    "answered requests", "frontend", "dynamo_frontend_requests_total", {"status": "success"}, beside=_CLIENTS
)
CANCELLED = Counter(
    "requests that ended as cancelled",
    "frontend",
    "dynamo_frontend_requests_total",
    {"error_type": "cancelled"},
    beside=_CLIENTS,
)
RECEIVED = Counter("requests at workers", "worker", "dynamo_component_requests_total", {"dynamo_endpoint": "generate"})
"""That have reached a worker, whoever sent them."""
TOKENS = Counter("generated tokens", "worker", "counting_engine_tokens_total")
"""By the counting engine, whoever reads them."""
BEGUN_ANSWERS = Counter("answers that have begun", "frontend", "dynamo_frontend_time_to_first_token_seconds_count")
"""Requests, streamed or not, of which a frontend has seen the first token."""

TOKEN_WAITS = "counting_engine_token_seconds"
"""Of the counting engine: seconds that requests waited from token to token (a summary)."""


def engine_running(scrape: Metrics) -> float | None:
    """Requests that hold a slot of a worker's engine, by its own account; None for an engine that does not tell."""
    name = "counting_engine_running_requests"
    return scrape.total(name) if name in scrape else None


def held(scrape: Metrics) -> dict[str, float]:
    """What a worker holds for requests: its own in flight and, where its engine tells, slots, blocks, its queue."""
    told = {
        "in flight": in_flight(scrape),
        "running": scrape.total("counting_engine_running_requests"),
        "waiting": scrape.total("counting_engine_waiting_requests"),
        "blocks": scrape.total("counting_engine_used_blocks"),
    }
    return {what: count for what, count in told.items() if count}


def in_flight(scrape: Metrics) -> float:
    """Requests that a frontend or worker now works on."""
    at_worker = scrape.total("dynamo_component_inflight_requests", dynamo_endpoint="generate")
    return at_worker + scrape.total("dynamo_frontend_inflight_requests")


def scrape(components: list[Component]) -> dict[str, Metrics]:
    """One scrape of each that runs and answers, as evidence."""
    scrapes = {}
    for component in components:
        if component.running:
            try:
                scrapes[component.name] = component.metrics()
            except ConnectionError:
                continue
    return scrapes


TOLD_WITHIN = 10.0
"""Seconds in which whoever serves tells its metrics: each is asked for 2 s at most, and a busy machine is slow."""


class Counts:
    """Counters since a first scrape."""

    def __init__(self, components: list[Component]) -> None:
        """DeploymentError when one does not tell in time."""
        self._components = components
        self.before = dict[str, Metrics]()
        eventually(
            self._all_told,
            within=TOLD_WITHIN,
            describe="every frontend and worker tells its metrics when the scenario begins",
            error=DeploymentError,
        )

    def _all_told(self) -> bool:
        self.before = scrape(self._components)
        telling = [one.name for one in self._components if one.role in ("frontend", *GENERATING)]
        silent = [name for name in telling if name not in self.before]
        assert not silent, f"{', '.join(silent)} did not answer"
        return True

    def grown(self, counter: Counter) -> float:
        """By how much it has grown, over all frontends or all workers that there are.

        A worker that was killed counts no more, and one that was started again counts from 0. Silent when one
        does not answer, or when a frontend is gone: nobody can say then what it has counted.
        """
        return sum(self._grown(counter, one) for one in self._components if _counts(one, counter))

    def _grown(self, counter: Counter, component: Component) -> float:
        try:
            now = counter.read(component.metrics())
        except ConnectionError as failure:
            raise Silent(f"nobody can say how many {counter.what} there were: {failure}") from failure
        # Without asking for what stands beside it: a frontend that was just ready has not told all of its metrics yet.
        before = self.before[component.name].total(counter.metric, **counter.labels)
        return now - before if now >= before else now


def _counts(component: Component, counter: Counter) -> bool:
    if counter.where == "frontend":
        return component.role == "frontend"
    return component.role in GENERATING and component.running
