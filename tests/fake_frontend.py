"""A frontend that answers like Dynamo's before counting workers, without Dynamo."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

from tests.serving import Exchange, HttpServer


class FakeFrontend(HttpServer):
    """Counts on from the prompt's last number; completions and chat, streamed and unary.

    tokens_per_second: for each request. `disconnects` and `ended` say what became of every request.
    """

    def __init__(self, *, tokens_per_second: float = 1000) -> None:
        super().__init__()
        self._pause = 1 / tokens_per_second

    async def answer(self, exchange: Exchange) -> None:
        asked = json.loads(exchange.body)
        chat = exchange.target == "/v1/chat/completions"
        prompt = asked["messages"][-1]["content"] if chat else asked["prompt"]
        texts = list(_counted(int(prompt.split()[-1]), asked["max_tokens"]))
        usage = {"prompt_tokens": 1, "completion_tokens": len(texts), "total_tokens": len(texts) + 1}
        if asked["stream"]:
            await self._stream(exchange, chat, texts, usage)
        else:
            await self._whole(exchange, chat, texts, usage)

    async def _stream(self, exchange: Exchange, chat: bool, texts: list[str], usage: dict[str, int]) -> None:
        await exchange.start(200, "text/event-stream")
        for text in texts:
            await asyncio.sleep(self._pause)
            await exchange.say(_event({"choices": [_choice("delta" if chat else None, text)]}))
        await exchange.say(_event({"choices": [_choice("delta" if chat else None, "", "length")]}))
        await exchange.say(_event({"choices": [], "usage": usage}))
        await exchange.end(b"data: [DONE]\n\n")

    async def _whole(self, exchange: Exchange, chat: bool, texts: list[str], usage: dict[str, int]) -> None:
        await asyncio.sleep(self._pause * len(texts))
        choice = _choice("message" if chat else None, "".join(texts), "length")
        await exchange.start(200, "application/json")
        await exchange.end(json.dumps({"choices": [choice], "usage": usage}).encode())


def _counted(number: int, tokens: int) -> Iterator[str]:
    for index in range(tokens):
        number = number + 1 if number < 31999 else 3
        yield f" {number}" if index else str(number)


def _choice(within: str | None, text: str, finish_reason: str | None = None) -> dict[str, Any]:
    said = {within: {"role": "assistant", "content": text}} if within else {"text": text}
    return {"index": 0, **said, "finish_reason": finish_reason}


def _event(data: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(data).encode() + b"\n\n"
