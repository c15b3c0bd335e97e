"""As `tests.broken`, with deployments that break what is promised of single workers:

python -m tests.broken_workers knows-no-urgency -t @vllm -n "Urgent requests" -D log_dir=/tmp/broken
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any
from unittest.mock import patch

from support.deployment import Component, Deployment, Instance
from support.faults import Fault, Stage
from support.faults.overload import Overload, TokenOverflow
from support.load.plan import Fixed
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


@contextmanager
def second_load_with(fault: type[Fault], **changes: Any) -> Iterator[None]:
    """Those who come on top ask for something else than the scenario says."""
    of = fault.of

    def changed(stage: Stage, victims: Sequence[Component], parameters: Mapping[str, str]) -> list[Fault]:
        made: Any = of(stage, victims, parameters)
        for one in made:
            one.run.plan = dataclasses.replace(one.run.plan, **changes)
        return list(made)

    with patch.object(fault, "of", changed):
        yield


BREAKS |= {
    "loses-the-patience": partial(second_load_with, Overload, deadline=1.2),
    "sends-short-prompts": partial(second_load_with, TokenOverflow, prompt_tokens=Fixed(50)),
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
