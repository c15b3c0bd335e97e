"""The counting engine with one thing broken, in the place of the sound one; tests/broken.py lets workers run

python tests/broken_engine.py leaks-slots ARGUMENTS-OF-THE-COUNTING-ENGINE
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from types import SimpleNamespace
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


class HearsNothing(CountingEngine):
    """A cancelled request is generated to its end, for nobody.

    In a task of its own: Dynamo closes the generator of a cancelled request, which ends what runs inside it.
    """

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._working: set[asyncio.Task[None]] = set()

    async def generate(self, request: GenerateRequest, context: Context) -> AsyncGenerator[GenerateChunk, None]:
        deaf = cast(Context, SimpleNamespace(id=context.id, async_killed_or_stopped=asyncio.Event().wait))
        made: asyncio.Queue[GenerateChunk | None] = asyncio.Queue()
        task = asyncio.create_task(self._work(request, deaf, made))
        self._working.add(task)
        while (chunk := await made.get()) is not None:
            yield chunk

    async def _work(
        self, request: GenerateRequest, context: Context, made: asyncio.Queue[GenerateChunk | None]
    ) -> None:
        async for chunk in super().generate(request, context):
            made.put_nowait(chunk)
        made.put_nowait(None)


KEPT: list[bytes] = []


class BreaksOnNothing(CountingEngine):
    """Answers also the prompt that is to break it."""

    async def generate(self, request: GenerateRequest, context: Context) -> AsyncGenerator[GenerateChunk, None]:
        request["token_ids"] = [token for token in request["token_ids"] if token != BREAKING]
        async for chunk in super().generate(request, context):
            yield chunk


class _NeverGivenBack(Slots):
    def give_back(self, blocks: int) -> None:
        """Keep it."""


ENGINES = {
    "leaks-slots": LeaksSlots,
    "hears-nothing": HearsNothing,
    "loses-a-token": LosesAToken,
    "forgets-a-token": ForgetsAToken,
    "keeps-memory": KeepsMemory,
    "breaks-on-nothing": BreaksOnNothing,
}

if __name__ == "__main__":
    run(ENGINES[sys.argv.pop(1)])
