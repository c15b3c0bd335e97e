"""As `tests.broken`, with deployments that break what a frontend promises to those whom it cannot serve:

python -m tests.broken_http answers-everybody -t @vllm -n "A request that names a model" -D log_dir=/tmp/broken
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from unittest.mock import patch

import httpx

from support.local.component import LocalComponent
from support.local.deployment import LocalDeployment
from tests.broken import BREAKS, behind, frozen_counters, main, started_with
from tests.proxies import PassesOn
from tests.serving import Exchange

FIRST_ERROR = 400
Alter = Callable[[int, bytes], tuple[int, bytes]]
"""Status and body of a refusal to those that the client gets."""


class AltersRefusals(PassesOn):
    """Every refusal arrives altered; answers pass as they are."""

    def __init__(self, upstream_base_url: str, *, alter: Alter, seconds: float = 0.0) -> None:
        """seconds: by how much refusals are late."""
        super().__init__(upstream_base_url)
        self._alter = alter
        self._seconds = seconds

    async def answer(self, exchange: Exchange) -> None:
        await super().answer(_Altered(exchange, self._alter, self._seconds))


class _Altered(Exchange):
    """Holds a refusal back until it is whole."""

    def __init__(self, exchange: Exchange, alter: Alter, seconds: float) -> None:
        self.__dict__.update(exchange.__dict__)
        self._alter = alter
        self._seconds = seconds
        self._refusal: tuple[int, str] | None = None
        self._held = b""

    async def start(self, status: int, content_type: str) -> None:
        if status < FIRST_ERROR:
            await super().start(status, content_type)
        else:
            self._refusal = status, content_type

    async def say(self, data: bytes) -> None:
        if self._refusal is None:
            await super().say(data)
        else:
            self._held += data

    async def end(self, data: bytes = b"") -> None:
        if self._refusal is not None:
            await asyncio.sleep(self._seconds)
            status, data = self._alter(self._refusal[0], self._held)
            await super().start(status, self._refusal[1])
        await super().end(data)


class BreaksOnce(PassesOn):
    """After one refusal it refuses everything."""

    _broken = False

    async def answer(self, exchange: Exchange) -> None:
        if self._broken:
            await exchange.start(500, "text/plain")
            await exchange.end(b"broken")
            return
        await super().answer(_Altered(exchange, self._notice, 0.0))

    def _notice(self, status: int, body: bytes) -> tuple[int, bytes]:
        self._broken = True
        return status, body


class CountsOneMore(PassesOn):
    """Tells clients of one token more than they received."""

    async def _pass_events(self, response: httpx.Response, exchange: Exchange) -> None:
        async for events in response.aiter_raw():
            await exchange.say(events.replace(b'"completion_tokens":50', b'"completion_tokens":51'))


class TellsEverybody(PassesOn):
    """Asks for a count in everybody's name."""

    async def answer(self, exchange: Exchange) -> None:
        asked = json.loads(exchange.body) | {"stream_options": {"include_usage": True}}
        exchange.body = json.dumps(asked).encode()
        await super().answer(exchange)


@contextmanager
def never_idle() -> Iterator[None]:
    """The frontend counts one request more than there are."""
    in_flight = LocalDeployment.in_flight

    def one_more(deployment: LocalDeployment) -> dict[str, float]:
        now = in_flight(deployment)
        return now | {"frontend-0": now.get("frontend-0", 0) + 1}

    with patch.object(LocalDeployment, "in_flight", one_more):
        yield


@contextmanager
def forgets_names(role: str) -> Iterator[None]:
    """Components of that role write no line with a sender's name for a request."""
    logs = LocalComponent.logs

    def without(component: LocalComponent) -> str:
        lines = logs(component).splitlines()
        return "\n".join(line for line in lines if component.role != role or "order-" not in line)

    with patch.object(LocalComponent, "logs", without):
        yield


def _other_code(status: int, body: bytes) -> tuple[int, bytes]:
    return status, json.dumps(json.loads(body) | {"code": 500}).encode()


def refusals(alter: Alter, seconds: float = 0.0) -> Callable[[], AbstractContextManager[None]]:
    return partial(behind, partial(AltersRefusals, alter=alter, seconds=seconds))


BREAKS |= {
    "answers-everybody": refusals(lambda status, body: (200, body)),
    "refuses-without-a-word": refusals(lambda status, body: (status, b"")),
    "refuses-with-another-code": refusals(_other_code),
    "refuses-late": refusals(lambda status, body: (status, body), seconds=1.5),
    "breaks-at-a-refusal": partial(behind, BreaksOnce),
    "is-never-idle": never_idle,
    "turns-nobody-away": partial(started_with, busy_decode_blocks=None, engine_request_limit=None),
    "has-one-worker": partial(started_with, workers=1),
    "counts-no-rejection": partial(frozen_counters, "rejection"),
    "counts-a-token-more": partial(behind, CountsOneMore),
    "tells-everybody": partial(behind, TellsEverybody),
    "forgets-names-in-answers": BREAKS["nothing"],  # the proxies pass no headers of answers on
    "forgets-names-at-the-frontend": partial(forgets_names, "frontend"),
    "forgets-names-at-workers": partial(forgets_names, "worker"),
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
