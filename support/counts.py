"""What Dynamo itself counts, under the names that the promises use.

Names of metrics are those of ai-dynamo 1.4.2. Counters only grow, so what happened in a scenario is the difference
to a scrape from before it (`Counts`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from support.deployment import Component
from support.metrics import Metrics
from support.spec import GENERATING

Scrapes = Mapping[str, Metrics]
"""By component name."""


def migrations(scrape: Metrics, kind: str | None = None) -> float:
    """Requests that a frontend moved to another worker; kind: "ongoing_request", "new_request", None for both."""
    return scrape.total("dynamo_frontend_model_migration_total", **({"migration_type": kind} if kind else {}))


def frontend_cancellations(scrape: Metrics) -> float:
    """Requests whose client left, as a frontend counts them."""
    return scrape.total("dynamo_frontend_model_cancellation_total")


def worker_cancellations(scrape: Metrics) -> float:
    """Requests that were cancelled at a worker."""
    return scrape.total("dynamo_component_cancellation_total", dynamo_endpoint="generate")


def begun_answers(scrape: Metrics) -> float:
    """Requests, streamed or not, of which a frontend has seen the first token."""
    return scrape.total("dynamo_frontend_time_to_first_token_seconds_count")


def in_flight(scrape: Metrics) -> float:
    """Requests that a frontend or worker now works on."""
    at_worker = scrape.total("dynamo_component_inflight_requests", dynamo_endpoint="generate")
    return at_worker + scrape.total("dynamo_frontend_inflight_requests")


def scrape(components: list[Component]) -> dict[str, Metrics]:
    """One scrape of each that runs and answers."""
    scrapes = {}
    for component in components:
        if component.running:
            try:
                scrapes[component.name] = component.metrics()
            except ConnectionError:
                continue
    return scrapes


class Counts:
    """Counters of frontends and workers since a first scrape, which is of all components."""

    def __init__(self, components: list[Component]) -> None:
        self._counting = [component for component in components if component.role in ("frontend", *GENERATING)]
        self.before = scrape(components)

    def grown(self, counter: Callable[[Metrics], float]) -> float:
        """By how much the counter has grown, over all of them that answer now."""
        now = scrape(self._counting)
        return sum(counter(metrics) - counter(self.before.get(name, Metrics([]))) for name, metrics in now.items())
