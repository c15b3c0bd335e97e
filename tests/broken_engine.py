"""The counting engine with one thing broken, in the place of the sound one; tests/broken.py lets workers run

python tests/broken_engine.py leaks-slots ARGUMENTS-OF-THE-COUNTING-ENGINE
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, cast

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # components inherit no PYTHONPATH

from dynamo._core import Context
from dynamo.common.backend.engine import GenerateChunk, GenerateRequest
from dynamo.common.backend.run import run

from support.engines.counting import BREAKING, CountingEngine, Slots

PROMPT = 5
"""Tokens that every client of the suite sends; a request with more of them was moved here from another worker."""


class LeaksSlots(CountingEngine):
    """A slot stays taken when its request has ended, which the next request notices and no metric of Dynamo."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._slots = _NeverGivenBack(slots=self._slots.slots, blocks=self._slots.blocks)


class ForgetsAToken(CountingEngine):
    """Goes on one token too early after a migration: as if Dynamo had not replayed the last token that it sent."""

    async def generate(self, request: GenerateRequest, context: Context) -> AsyncGenerator[GenerateChunk, None]:
        if len(request["token_ids"]) > PROMPT:
            request["token_ids"] = request["token_ids"][:-1]
        async for chunk in super().generate(request, context):
            yield chunk


class ForgetsWishes(CountingEngine):
    """After a migration it is asked for no seed: as if Dynamo had kept only some of what the client said."""

    async def generate(self, request: GenerateRequest, context: Context) -> AsyncGenerator[GenerateChunk, None]:
        if len(request["token_ids"]) > PROMPT:
            request["sampling_options"]["seed"] = None
        async for chunk in super().generate(request, context):
            yield chunk


class KeepsMemory(CountingEngine):
    """Each request costs a megabyte for ever."""

    async def generate(self, request: GenerateRequest, context: Context) -> AsyncGenerator[GenerateChunk, None]:
        KEPT.append(b"x" * 1_000_000)
        async for chunk in super().generate(request, context):
            yield chunk


class LosesAToken(CountingEngine):
    """One answer in ten lacks its last token but one, which those who leave early never see."""

    _numbers = itertools.count()

    async def generate(self, request: GenerateRequest, context: Context) -> AsyncGenerator[GenerateChunk, None]:
        loses = next(self._numbers) % 10 == 0
        last_but_one = request["stop_conditions"]["max_tokens"] - 1
        number = 0
        async for chunk in super().generate(request, context):
            number += 1
            if not (loses and number == last_but_one):
                yield chunk


KEPT: list[bytes] = []


class BreaksOnNothing(CountingEngine):
    """Answers also the prompt that is to break it."""

    async def generate(self, request: GenerateRequest, context: Context) -> AsyncGenerator[GenerateChunk, None]:
        request["token_ids"] = [token for token in request["token_ids"] if token != BREAKING]
        async for chunk in super().generate(request, context):
            yield chunk


class GoesOnForNobody(CountingEngine):
    """Nothing tells it that a client has left, and it generates the whole answer."""

    async def generate(self, request: GenerateRequest, context: Context) -> AsyncGenerator[GenerateChunk, None]:
        chunks: asyncio.Queue[GenerateChunk | None] = asyncio.Queue()

        async def count() -> None:
            async for chunk in super(GoesOnForNobody, self).generate(request, cast(Context, _NeverStopped(context))):
                chunks.put_nowait(chunk)
            chunks.put_nowait(None)

        KEPT_ON.append(asyncio.ensure_future(count()))
        while (chunk := await chunks.get()) is not None:
            yield chunk


KEPT_ON: list[asyncio.Future[None]] = []


class _NeverStopped:
    """The context of a request that nobody cancels."""

    def __init__(self, context: Context) -> None:
        self.id = context.id

    async def async_killed_or_stopped(self) -> None:
        await asyncio.Event().wait()


class _NeverGivenBack(Slots):
    def give_back(self, blocks: int) -> None:
        """Keep it."""


ENGINES = {
    "leaks-slots": LeaksSlots,
    "loses-a-token": LosesAToken,
    "forgets-a-token": ForgetsAToken,
    "forgets-wishes": ForgetsWishes,
    "keeps-memory": KeepsMemory,
    "breaks-on-nothing": BreaksOnNothing,
    "goes-on-for-nobody": GoesOnForNobody,
}

if __name__ == "__main__":
    run(ENGINES[sys.argv.pop(1)])
