"""The service's metrics for Prometheus."""

from __future__ import annotations

import time
from collections import Counter as Counts
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from injector.api_service.records import Record
from injector.errors import Refusal
from injector.life import State
from injector.words import Kind

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """Of one service."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._faults = Gauge(
            "dynamo_faults", "Faults that are remembered, by kind and state", ["kind", "state"], registry=self._registry
        )
        self._asked = Counter(
            "dynamo_fault_injections",
            "Injections that were asked for, by the status that was answered",
            ["kind", "status"],
            registry=self._registry,
        )
        self._proven = Histogram(
            "dynamo_fault_seconds_to_proof",
            "Seconds from an injection's arrival to its effect being proven",
            ["kind"],
            buckets=_BUCKETS,
            registry=self._registry,
        )

    @contextmanager
    def injection(self, kind: Kind) -> Iterator[None]:
        """Around one that is asked for."""
        begun = time.monotonic()
        try:
            yield
        except Refusal as refusal:
            self._asked.labels(kind, refusal.status).inc()
            raise
        self._asked.labels(kind, 201).inc()
        self._proven.labels(kind).observe(time.monotonic() - begun)

    def text(self, records: list[Record]) -> bytes:
        """The exposition, with these faults."""
        counts = Counts((record.kind, record.state) for record in records)
        for kind in Kind:
            for state in State:
                self._faults.labels(kind, state).set(counts[kind, state])
        return generate_latest(self._registry)
