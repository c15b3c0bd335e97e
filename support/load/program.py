"""One shard of a load, in a process of its own: `python -m support.load.program FOLDER SHARD`.

The folder holds `load.json`. What it is told comes by standard input, a line each: "go TIME" (CLOCK_MONOTONIC), "stop"
(send nothing new), "abort" (and give up what is in flight); the end of the input aborts. It tells how far it is by
standard output, and writes records-SHARD.jsonl and, when it ends, end-SHARD.json.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import random
import resource
import sys
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import uvloop

from support.load.counting import prompt_of
from support.load.exchange import Answer, Asked, exchange
from support.load.lines import Lines, line
from support.load.plan import Arrival, LoadPlan, arrivals, leaves_after, lengths
from support.load.transport import LoadTransport

TELLS_EVERY = 0.05
"""Seconds; records are at most that long in memory only."""


class Shard:
    """What one process of a load does."""

    def __init__(self, plan: LoadPlan, number: int, folder: Path, *, clock_offset: float) -> None:
        self._plan, self._number, self._folder, self._offset = plan, number, folder, clock_offset
        self._lines = Lines(folder / f"records-{number:04}.jsonl")
        self._client = httpx.AsyncClient(transport=LoadTransport(), trust_env=False, timeout=None)
        self._urls = [httpx.URL(f"{base.rstrip('/')}/v1/{plan.endpoint}") for base in plan.base_urls]
        self._over = asyncio.Event()
        self._go: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._tasks: set[asyncio.Task[None]] = set()
        self._finishing = asyncio.Lock()
        self._how = "done"
        self._waiting: dict[str, float] = {}
        """When requests that have not ended were due, by their ids."""
        self._sent_until: float | None = None
        self.told = {"started": 0, "ended": 0, "completed": 0, "failed": 0, "cancelled": 0, "tokens": 0}

    async def run(self) -> None:
        """Wait for the word to begin, send what is to be sent, and end when all of it has ended."""
        hearing = asyncio.create_task(self._hear())
        self._tell({"ready": True})
        begin = await self._go
        self._spent_before = time.process_time()
        telling = asyncio.create_task(self._tell_on())
        telling.add_done_callback(self._finished)
        sending = asyncio.create_task(self._send_all(begin))
        await sending
        while self._tasks:
            await asyncio.wait(self._tasks)
        for task in (telling, hearing):
            task.cancel()
        self._lines.close()
        self._write_end()
        self._tell({**self.told, "oldest": None, "over": True})
        await self._client.aclose()

    # What is sent, and when.

    async def _send_all(self, begin: float) -> None:
        if self._plan.duration is not None:
            asyncio.get_running_loop().call_later(begin + self._plan.duration - time.monotonic(), self._send_no_more)
        if self._plan.rate is None and self._plan.trace is None:
            for client in range(self._number, self._plan.clients, self._plan.shards):
                self._start(self._closed(client, begin))
                await asyncio.sleep(0)  # a thousand begin one by one, and what comes for the first is read meanwhile
            return
        for arrival in arrivals(self._plan):
            if arrival.number % self._plan.shards != self._number:
                continue
            if await self._over_before(begin + arrival.due):
                return
            self._start(self._session(arrival, begin))
            await asyncio.sleep(0)

    async def _over_before(self, at: float) -> bool:
        """Wait until then; True when nothing more is to be sent."""
        while not self._over.is_set() and (left := at - time.monotonic()) > 0:  # a timer may be a millisecond early
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._over.wait()
        return self._over.is_set()

    async def _closed(self, client: int, begin: float) -> None:
        turn, due = 0, begin
        while not await self._over_before(due):
            ((prompt_tokens, max_tokens),) = lengths(self._plan, client, turn)
            prompt = prompt_of(prompt_tokens, self._chance(client, turn))
            await self._one(client, turn, due, prompt, max_tokens)
            turn += 1
            if turn == self._plan.requests_per_client:
                return
            due = time.monotonic() + self._plan.think

    async def _session(self, arrival: Arrival, begin: float) -> None:
        due, said = begin + arrival.due, list[str]()
        for turn, (prompt_tokens, max_tokens) in enumerate(arrival.lengths):
            if turn and await self._over_before(due):
                return
            said += prompt_of(prompt_tokens, self._chance(arrival.number, turn), arrival.blocks)
            answer = await self._one(arrival.number, turn, due, said, max_tokens)
            said += answer.text.split()
            due = time.monotonic() + self._plan.think

    def _chance(self, client: int, turn: int) -> random.Random:
        return random.Random(f"prompt {self._plan.seed} {client} {turn}")

    async def _one(self, client: int, turn: int, due: float, prompt: list[str], max_tokens: int) -> Answer:
        words = " ".join(prompt)
        self.told["started"] += 1
        leaves = leaves_after(self._plan, client, turn)
        asked = Asked(str(uuid.uuid4()), self._body(words, max_tokens), "", due, leaves)
        self._waiting[asked.request_id] = due
        url = self._urls[client % len(self._urls)]
        answer = await exchange(self._client, url, asked, deadline=self._plan.deadline)
        try:
            async with self._finishing:  # one in each turn of the loop: sockets are read between one and the next
                await asyncio.sleep(0)
                self._finish(answer, client, turn, due, prompt)
        except asyncio.CancelledError:
            self._finish(answer, client, turn, due, prompt)
        return answer

    def _finish(self, answer: Answer, client: int, turn: int, due: float, prompt: list[str]) -> None:
        answer.finish()
        self._lines.add(
            line(
                answer,
                load=self._plan.name,
                shard=self._number,
                client=client,
                turn=turn,
                due=due,
                prompt=prompt,
                offset=self._offset,
                continuity=self._plan.continuity,
            )
        )
        self._count(answer)

    def _body(self, words: str, max_tokens: int) -> dict[str, Any]:
        plan = self._plan
        chat = plan.endpoint == "chat/completions"
        said: dict[str, Any] = {"messages": [{"role": "user", "content": words}]} if chat else {"prompt": words}
        how = {"stream": True, "stream_options": {"include_usage": True}} if plan.stream else {"stream": False}
        return {"model": plan.model, **said, "max_tokens": max_tokens, **how, **plan.extra}

    def _count(self, answer: Answer) -> None:
        del self._waiting[answer.record.request_id]
        self.told["ended"] += 1
        self.told["tokens"] += len(answer.times)
        kind = {"completed": "completed", "cancelled": "cancelled"}.get(answer.record.status, "failed")
        self.told[kind] += 1

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (bug := task.exception()):
            asyncio.get_running_loop().call_exception_handler({"message": "a client broke", "exception": bug})
            os._exit(70)  # a load that is not what it should be must not look like one

    # What it hears and tells.

    async def _hear(self) -> None:
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        async for word in reader:
            name, _, value = word.decode().strip().partition(" ")
            if name == "go":
                self._go.set_result(float(value))
            elif name == "stop":
                self._how = "stopped"
                self._send_no_more()
            else:
                break
        self._abort()

    def _abort(self) -> None:
        self._how = "aborted"
        self._send_no_more()
        if not self._go.done():
            self._go.set_result(time.monotonic())
        for task in self._tasks:
            task.cancel()

    def _send_no_more(self) -> None:
        self._over.set()
        self._sent_until = self._sent_until or time.monotonic()

    async def _tell_on(self) -> None:
        never = asyncio.Event()
        while True:
            self._lines.flush()
            self._tell({**self.told, "oldest": min(self._waiting.values(), default=time.monotonic())})
            with suppress(TimeoutError):
                await asyncio.wait_for(never.wait(), TELLS_EVERY)

    def _tell(self, what: dict[str, Any]) -> None:
        with suppress(BlockingIOError, BrokenPipeError):  # a reader that is slow or gone holds nothing up
            os.write(1, json.dumps({"at": time.monotonic(), **what}).encode() + b"\n")

    def _write_end(self) -> None:
        told = {
            **self.told,
            "how": self._how,
            "at": time.monotonic() + self._offset,
            "sent_until": None if self._sent_until is None else self._sent_until + self._offset,
            "cpu_seconds": round(time.process_time() - self._spent_before, 3),
        }
        (self._folder / f"end-{self._number:04}.json").write_text(json.dumps(told))


async def _main(folder: Path, number: int) -> None:
    described = json.loads((folder / "load.json").read_text())
    shard = Shard(LoadPlan.from_json(described["plan"]), number, folder, clock_offset=described["clock_offset"])
    await shard.run()


def main() -> None:
    """Run one shard."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # a descriptor for each stream
    os.set_blocking(1, False)
    gc.freeze()  # what was imported stays
    gc.set_threshold(100_000)  # no request leaves a cycle: looking for them would only stop the process for a moment
    uvloop.run(_main(Path(sys.argv[1]), int(sys.argv[2])))


if __name__ == "__main__":
    main()
