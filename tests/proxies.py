"""Negative controls: proxies before a frontend that break one promise each, so that the right scenario must fail.

    with DropsOneChunk(deployment.base_url) as url:
        ...  # a client of `url` misses one chunk of every stream

What they do not break they pass on as it is, any method and path. They read the stream with code of their own, so that
an error in the client's parser cannot hide itself here.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import httpx

from tests.serving import Exchange, HttpServer

_NOT_PASSED_ON = {"host", "content-length", "connection", "accept-encoding", "transfer-encoding"}


class PassesOn(HttpServer):
    """Breaks nothing; the others differ from it in what they do with the n-th chunk of text."""

    def __init__(self, upstream_base_url: str) -> None:
        super().__init__()
        self._upstream = upstream_base_url.rstrip("/")

    async def answer(self, exchange: Exchange) -> None:
        headers = {name: value for name, value in exchange.headers.items() if name not in _NOT_PASSED_ON}
        headers["accept-encoding"] = "identity"
        async with (
            httpx.AsyncClient(trust_env=False, timeout=None) as client,
            client.stream(
                exchange.method, self._upstream + exchange.target, content=exchange.body, headers=headers
            ) as response,
        ):
            content_type = response.headers.get("content-type", "application/octet-stream")
            await exchange.start(response.status_code, content_type)
            if "text/event-stream" in content_type:
                await self._pass_events(response, exchange)
            else:
                await exchange.say(await response.aread())
        await exchange.end()

    async def chunk(self, number: int, event: bytes) -> bytes:
        """What the client gets for the chunk of that number, counted from 1 over the events that carry text."""
        return event

    async def _pass_events(self, response: httpx.Response, exchange: Exchange) -> None:
        number = 0
        async for event in _events(response.aiter_raw()):
            if _has_text(event):
                number += 1
                await exchange.say(await self.chunk(number, event))
            else:
                await exchange.say(event)


class DropsOneChunk(PassesOn):
    """The client never gets the n-th chunk of a stream."""

    def __init__(self, upstream_base_url: str, *, nth: int = 10) -> None:
        super().__init__(upstream_base_url)
        self._nth = nth

    async def chunk(self, number: int, event: bytes) -> bytes:
        return b"" if number == self._nth else event


class DoublesOneChunk(PassesOn):
    """The client gets the n-th chunk of a stream twice."""

    def __init__(self, upstream_base_url: str, *, nth: int = 10) -> None:
        super().__init__(upstream_base_url)
        self._nth = nth

    async def chunk(self, number: int, event: bytes) -> bytes:
        return event * 2 if number == self._nth else event


class DelaysOneChunk(PassesOn):
    """The n-th chunk of a stream comes `seconds` late, and all that follow with it."""

    def __init__(self, upstream_base_url: str, *, seconds: float, nth: int = 10) -> None:
        super().__init__(upstream_base_url)
        self._seconds = seconds
        self._nth = nth

    async def chunk(self, number: int, event: bytes) -> bytes:
        if number == self._nth:
            await asyncio.sleep(self._seconds)
        return event


class SwallowsTheDisconnect(PassesOn):
    """When the client leaves, the frontend is not told: its answer is read to the end."""

    leaves_with_client = False


async def _events(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Each event with the empty line that ends it; at last, whatever is left without one."""
    rest = b""
    async for piece in pieces:
        *events, rest = (rest + piece).split(b"\n\n")
        for event in events:
            yield event + b"\n\n"
    if rest:
        yield rest


def _has_text(event: bytes) -> bool:
    data = event.removeprefix(b"data:").strip()
    if not data.startswith(b"{"):
        return False
    for choice in json.loads(data).get("choices", []):
        said = choice.get("delta") or choice
        if said.get("text") or said.get("content") or said.get("reasoning_content"):
            return True
    return False
