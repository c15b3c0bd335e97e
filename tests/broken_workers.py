"""As `tests.broken`, with deployments that break what is promised of single workers:

python -m tests.broken_workers knows-no-urgency -t @vllm -n "Urgent requests" -D log_dir=/tmp/broken
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from unittest.mock import patch

from support.deployment import Component, Deployment, Instance
from support.local.component import LocalComponent
from support.local.deployment import LocalDeployment
from tests.broken import BREAKS, engine, main, started_with


@contextmanager
def lists_the_dead() -> Iterator[None]:
    """Whoever was listed once is listed for ever."""
    instances = LocalDeployment.instances
    known: dict[int, Instance] = {}

    def all_that_were(deployment: LocalDeployment) -> list[Instance]:
        known.update({one.id: one for one in instances(deployment)})
        return list(known.values())

    with patch.object(LocalDeployment, "instances", all_that_were):
        yield


@contextmanager
def loses_every_kind() -> Iterator[None]:
    """Whatever kind of worker is to be struck, all are."""

    def everybody(deployment: Deployment, target: str) -> list[Component]:
        return deployment.workers

    with patch("support.under_load.victims", everybody):
        yield


@contextmanager
def slows_nobody() -> Iterator[None]:
    """The fault does not happen, and does not say so itself."""
    with patch.object(LocalComponent, "slow_down", lambda component: None):
        yield


BREAKS |= {
    "lists-the-dead": lists_the_dead,
    "loses-every-kind": loses_every_kind,
    "slows-nobody": slows_nobody,
    "spreads-in-turn": partial(started_with, router_mode="round-robin"),
    "knows-no-urgency": partial(started_with, router_queue_threshold=None),
    "has-room": partial(started_with, slots=2),
    "keeps-memory": partial(engine, "keeps-memory"),
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
