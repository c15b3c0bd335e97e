"""Runs the real suite on a deployment that is broken on purpose:

    python -m tests.broken drops-a-chunk -t "@vllm and not @nats" -n "A killed worker" -D log_dir=/tmp/broken

The first word is one of `BREAKS`, the rest is behave's. All but that one thing is as in any run. Like any run it goes
on inside a lab, by the same command line: it comes here twice and breaks the same thing again.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from unittest.mock import patch

import httpx
from behave.__main__ import main as behave

from support.commands import Command, Surroundings, command
from support.deployment import Component, Deployment
from support.load.run import LoadRun
from support.local.component import LocalComponent
from support.local.deployment import LocalDeployment
from support.local.target import LocalTarget
from support.metrics import Metrics, Sample
from support.spec import GENERATING, DeploymentSpec, Role
from tests.proxies import DelaysOneChunk, DoublesOneChunk, DropsOneChunk, PassesOn, SwallowsTheDisconnect
from tests.serving import Exchange

ENGINE = Path(__file__).with_name("broken_engine.py")


class FallsSilent(PassesOn):
    """What the frontend tells of an error never arrives, nor anything after it; the connection stays open."""

    async def _pass_events(self, response: httpx.Response, exchange: Exchange) -> None:
        async for events in response.aiter_raw():
            if b'"error"' in events:
                await asyncio.Event().wait()
            await exchange.say(events)


class SaysNothing(PassesOn):
    """Answers 200 and ends as it should, without one word of text."""

    async def _pass_events(self, response: httpx.Response, exchange: Exchange) -> None:
        async for events in response.aiter_raw():
            await exchange.say(re.sub(rb'"text": ?"[^"]*"', b'"text":""', events))


def main(argv: list[str]) -> int:
    """behave's exit status."""
    name, *arguments = argv
    with BREAKS[name]():
        return int(behave(arguments))


@contextmanager
def behind(proxy: Callable[[str], AbstractContextManager[str]]) -> Iterator[None]:
    """Clients reach the frontend through a proxy. What the suite itself asks of it goes there directly."""
    ready = LocalDeployment.ready
    with ExitStack() as open_proxies:

        def ready_behind_proxy(deployment: LocalDeployment) -> None:
            ready(deployment)
            deployment.base_url = open_proxies.enter_context(proxy(deployment.base_url))

        with patch.object(LocalDeployment, "ready", ready_behind_proxy):
            yield


@contextmanager
def started_with(**changes: object) -> Iterator[None]:
    """The deployment is another one than the scenario asks for."""
    deployment = LocalTarget.deployment

    def other_deployment(target: LocalTarget, spec: DeploymentSpec) -> Deployment:
        return deployment(target, spec.but(**changes))

    with patch.object(LocalTarget, "deployment", other_deployment):
        yield


@contextmanager
def engine(broken: str) -> Iterator[None]:
    """Workers run an engine of tests/broken_engine.py in the place of the counting engine."""

    def other_command(name: str, role: Role, around: Surroundings) -> Command:
        told = command(name, role, around)
        if role not in GENERATING:
            return told
        python, _, *arguments = told.argv
        return replace(told, argv=[python, str(ENGINE), broken, *arguments])

    with patch("support.local.deployment.command", other_command):
        yield


@contextmanager
def load_client(module: str) -> Iterator[None]:
    """Loads are sent by that module's program."""
    program = (sys.executable, "-m", module)
    with patch.dict(LoadRun.__init__.__kwdefaults__, {"program": program}):
        yield


@contextmanager
def idle_taken_for_serving() -> Iterator[None]:
    """Once a worker serves a request, the others are taken for those that do: faults strike the wrong one."""
    serving_workers = LocalDeployment.serving_workers

    def idle_workers(deployment: LocalDeployment, request_id: str) -> list[Component]:
        serving = serving_workers(deployment, request_id)
        return [worker for worker in deployment.workers if serving and worker not in serving]

    with patch.object(LocalDeployment, "serving_workers", idle_workers):
        yield


@contextmanager
def kill_does_nothing() -> Iterator[None]:
    """The fault does not happen, and does not say so itself."""
    with patch.object(LocalComponent, "kill", lambda component, **how: None):
        yield


@contextmanager
def frozen_counters(word: str) -> Iterator[None]:
    """Metrics with that word in their name are answered from the first scrape of each component."""
    metrics = LocalComponent.metrics
    first: dict[LocalComponent, list[Sample]] = {}

    def partly_old(component: LocalComponent) -> Metrics:
        now = metrics(component)
        old = first.setdefault(component, [sample for sample in now._samples if word in sample.name])
        return Metrics([*old, *(sample for sample in now._samples if word not in sample.name)], now.text)

    with patch.object(LocalComponent, "metrics", partly_old):
        yield


BREAKS: dict[str, Callable[[], AbstractContextManager[None]]] = {
    "nothing": partial(behind, PassesOn),
    "drops-a-chunk": partial(behind, DropsOneChunk),
    "doubles-a-chunk": partial(behind, DoublesOneChunk),
    "delays-a-chunk": partial(behind, partial(DelaysOneChunk, nth=100, seconds=6)),
    "falls-silent": partial(behind, FallsSilent),
    "swallows-the-disconnect": partial(behind, SwallowsTheDisconnect),
    "migrates-nothing": partial(started_with, migration_limit=0),
    "migrates-all": partial(started_with, migration_limit=3),
    "leaks-slots": partial(engine, "leaks-slots"),
    "forgets-a-token": partial(engine, "forgets-a-token"),
    "strikes-the-idle-worker": idle_taken_for_serving,
    "strikes-nobody": kill_does_nothing,
    "counts-no-cancellation": partial(frozen_counters, "cancellation"),
    "says-nothing": partial(behind, SaysNothing),
    "starts-half-of-the-load": partial(load_client, "tests.broken_load"),
    "counts-no-request": partial(frozen_counters, "frontend_requests_total"),
    "counts-no-migration": partial(frozen_counters, "migration"),
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
