"""The counting engine: a Dynamo worker whose every token is known beforehand.

It generates t+1, t+2, t+3, ... from the last token t of the prompt, so one lost, repeated or reordered token shows as a
gap. Dynamo migrates a request by replaying prompt and tokens so far on another worker: counting goes on where it was.
It needs no GPU and is of use to anyone who develops Dynamo itself. Run it in an environment that has ai-dynamo 1.4 or
newer, beside a frontend and etcd:

    python support/engines/counting.py --model-path FOLDER --model-name NAME --tokens-per-second 50 --slots 16

A worker runs at most `--slots` requests at once, and no more than its KV blocks can hold (prompt and token budget,
16 tokens a block, reserved on admission); the next ones wait in order of arrival. A cancelled request leaves the queue,
or its slot, at once. Each request is logged as the real backend would ("Decode Request ID: ...", "Aborted Request ID:
..."). `--disaggregation-mode prefill` answers with one token and a hand-over; `decode` goes on from it.
`--seconds-to-begin` is the time for what comes before a first token: reading the prompt or, on a decode worker, taking
over what the prefill worker made of it. The request holds its slot and blocks meanwhile.

SIGUSR1 makes a worker slow while it serves (one tenth of its tokens a second, running requests too), SIGUSR2 ends that.
An engine that is frozen (SIGSTOP) does not catch up with what it has missed when it goes on: no GPU would.
SIGHUP makes the engine fail for good, as a real one does whose GPU has gone: each request that it runs or is given
raises Dynamo's `EngineShutdown`. What becomes of the process is for whoever serves the engine to decide.
Asked for no token it answers with none: a request whose last token has come, and whose worker dies before it has said
that this was all, is moved by Dynamo 1.4.2 all the same, for the 0 tokens that are left.
A prompt that begins with </s> is one that the engine cannot finish: it raises an error after FAILS_AFTER tokens, on
every worker anew, as a real engine does with an input that breaks it. The worker itself goes on.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import signal
import uuid
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from dynamo._core import Context
from dynamo.common.backend.disagg import enforce_prefill_max_tokens, require_prefill_result
from dynamo.common.backend.engine import EngineConfig, GenerateChunk, GenerateRequest, LLMEngine, LlmRegistration
from dynamo.common.backend.health_check import build_health_check_payload, is_probe
from dynamo.common.backend.metrics import register_engine_registry
from dynamo.common.backend.publisher import ComponentSnapshot
from dynamo.common.backend.run import run
from dynamo.common.backend.worker import WorkerConfig
from dynamo.common.constants import DisaggregationMode
from dynamo.llm.exceptions import EngineShutdown
from prometheus_client import CollectorRegistry, Counter, Gauge, Summary

logger = logging.getLogger(__name__)

VOCABULARY = 32_000
FIRST = 3
"""Tokens below it are <unk>, <s> and </s>; counting goes round from VOCABULARY - 1 to it."""
BLOCK_SIZE = 16
CONTEXT_LENGTH = 32_768
DEFAULT_MAX_TOKENS = 16
SLOW = 10
"""By how much a worker that was made slow is slower."""
FAILED = "The counting engine has failed for good"
ENDED = "Engine was shut down during token generation"
BREAKING = 2
"""The token </s>, with which no sound prompt begins."""
FAILS_AFTER = 20
TAKEN = {
    "vllm": {"agg": "Decode Request ID", "prefill": "Prefill Request ID", "decode": "Decode Request ID"},
    "sglang": {"agg": "New Request ID", "prefill": "New Request ID", "decode": "New Request ID"},
    "trtllm": {
        "agg": "AggregatedHandler Request ID",
        "prefill": "Prefill Request ID",
        "decode": "Decode Request ID",
    },
}
"""What each real backend writes when it takes a request up, by role (their handlers in ai-dynamo 1.4.2)."""


def after(token: int) -> int:
    """The token that follows `token`."""
    return token + 1 if FIRST <= token + 1 < VOCABULARY else FIRST


class Slots:
    """Admission to the engine: a number of slots and of KV blocks, first come first served."""

    def __init__(self, *, slots: int, blocks: int) -> None:
        self.slots, self.blocks = slots, blocks
        self.running = 0
        self.used_blocks = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def waiting(self) -> int:
        return sum(not turn.cancelled() for _, turn in self._waiting)

    async def take(self, blocks: int) -> None:
        """Wait for a slot and this many blocks. Leave the queue by cancelling the wait."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((blocks, turn))
        self._admit()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._admit()  # the next one may need less
            else:
                self.give_back(blocks)
            raise

    def give_back(self, blocks: int) -> None:
        self.running -= 1
        self.used_blocks -= blocks
        self._admit()

    def _fits(self, blocks: int) -> bool:
        return self.running < self.slots and self.used_blocks + blocks <= self.blocks

    def _admit(self) -> None:
        while self._waiting and (self._waiting[0][1].cancelled() or self._fits(self._waiting[0][0])):
            blocks, turn = self._waiting.popleft()
            if turn.cancelled():
                continue
            self.running += 1
            self.used_blocks += blocks
            turn.set_result(None)


class Pace:
    """Seconds from one token of a request to its next one; it can change while requests run."""

    def __init__(self, interval: float) -> None:
        self._usual = self.interval = interval
        self.resumed = 0.0
        """When the process last went on after it was frozen, by the loop's clock."""

    def obey_signals(self) -> None:
        """SIGUSR1: slow; SIGUSR2: as before. To be called on the loop of the main thread."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR1, self._change, SLOW)
        loop.add_signal_handler(signal.SIGUSR2, self._change, 1)
        loop.add_signal_handler(signal.SIGCONT, self._go_on)

    def _go_on(self) -> None:
        self.resumed = asyncio.get_running_loop().time()

    def _change(self, factor: int) -> None:
        logger.info("Counting engine: %d times slower than usual", factor)
        self.interval = factor * self._usual


class _Ends:
    """What ends a request before its time: that its client leaves, or that the engine is over."""

    def __init__(self, context: Context, engine: CountingEngine) -> None:
        self._engine = engine
        self._left = asyncio.ensure_future(context.async_killed_or_stopped())
        self._over = asyncio.ensure_future(engine.over.wait())

    async def come(self, *, within: float | None = None, before: asyncio.Future[Any] | None = None) -> bool:
        """Wait so many seconds, or for something else. True: the client has left. EngineShutdown: no engine is left."""
        others = {before} if before else set()
        await asyncio.wait({self._left, self._over, *others}, timeout=within, return_when=asyncio.FIRST_COMPLETED)
        if self._over.done():
            raise EngineShutdown(FAILED if self._engine.failed else ENDED)
        return self._left.done()

    def close(self) -> None:
        self._left.cancel()
        self._over.cancel()


class CountingEngine(LLMEngine):
    """Counts on from the last prompt token, at `tokens_per_second` for each request."""

    def __init__(
        self,
        *,
        model: str,
        backend: str,
        mode: DisaggregationMode,
        tokens_per_second: float,
        slots: int,
        blocks: int,
        seconds_to_stop: float,
        seconds_to_begin: float = 0.0,
    ) -> None:
        self._model = model
        self._mode = mode
        self._taken = TAKEN[backend][mode.value]
        self._pace = Pace(1 / tokens_per_second)
        self._seconds_to_stop = seconds_to_stop
        self._seconds_to_begin = seconds_to_begin
        self._slots = Slots(slots=slots, blocks=blocks)
        self._publisher: Any = None
        self.over = asyncio.Event()
        """It ends, or has failed: nothing that it runs or is given has another token."""
        self.failed = False
        """For good."""
        self.registry = CollectorRegistry()
        self._tokens = Counter("counting_engine_tokens", "Tokens generated", registry=self.registry)
        self._gaps = Summary("counting_engine_token_seconds", "From token to token", registry=self.registry)
        self._aborted = Counter("counting_engine_aborted", "Requests cancelled", registry=self.registry)
        running = Gauge("counting_engine_running_requests", "Requests that hold a slot", registry=self.registry)
        running.set_function(lambda: self._slots.running)
        waiting = Gauge("counting_engine_waiting_requests", "Requests that wait for one", registry=self.registry)
        waiting.set_function(lambda: self._slots.waiting)
        used = Gauge("counting_engine_used_blocks", "KV blocks in use", registry=self.registry)
        used.set_function(lambda: self._slots.used_blocks)

    @classmethod
    async def from_args(cls, argv: list[str] | None = None) -> tuple[CountingEngine, WorkerConfig]:
        args = _arguments().parse_args(argv)
        mode = DisaggregationMode(args.disaggregation_mode)
        engine = cls(
            model=args.model_path,
            backend=args.backend,
            mode=mode,
            tokens_per_second=args.tokens_per_second,
            slots=args.slots,
            blocks=args.blocks,
            seconds_to_stop=args.seconds_to_stop,
            seconds_to_begin=args.seconds_to_begin,
        )
        engine._served_name = args.model_name
        return engine, WorkerConfig(
            namespace=args.namespace,
            component=args.component or ("prefill" if mode == DisaggregationMode.PREFILL else "backend"),
            endpoint="generate",
            model_name=args.model_path,
            served_model_name=args.model_name,
            request_plane=args.request_plane,
            disaggregation_mode=mode,
        )

    _served_name: str

    async def start(self, worker_id: int) -> EngineConfig:
        self._pace.obey_signals()
        logger.info("Counting engine %x: %d slots, %d blocks", worker_id, self._slots.slots, self._slots.blocks)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._fail)
        return EngineConfig(
            model=self._model,
            served_model_name=self._served_name,
            llm=LlmRegistration(
                context_length=CONTEXT_LENGTH,
                kv_cache_block_size=BLOCK_SIZE,
                total_kv_blocks=self._slots.blocks,
                max_num_seqs=self._slots.slots,
                max_num_batched_tokens=CONTEXT_LENGTH,
            ),
        )

    def _fail(self) -> None:
        logger.error("%s", FAILED)
        self.failed = True
        self.over.set()

    async def generate(self, request: GenerateRequest, context: Context) -> AsyncGenerator[GenerateChunk, None]:
        prompt, budget = request["token_ids"], self._budget(request)
        blocks = -(-(len(prompt) + budget) // BLOCK_SIZE)
        if blocks > self._slots.blocks:
            raise ValueError(f"the request needs {blocks} KV blocks, this worker has {self._slots.blocks}")
        logger.info("%s: %s", self._taken, context.id())
        logger.info("Wishes of %s: %s", context.id(), json.dumps(_wishes(request), sort_keys=True))
        if not budget:
            yield _last([], len(prompt), 0, "length")
            return
        sent, ends = 0, _Ends(context, self)
        try:
            async with self._slot(blocks, ends) as admitted:
                if admitted and not await ends.come(within=self._seconds_to_begin):
                    async for token in self._count(prompt[-1] if prompt else 0, budget, ends):
                        if prompt[0] == BREAKING and sent == FAILS_AFTER:
                            raise RuntimeError(f"the engine broke on this prompt after {sent} tokens")
                        sent += 1
                        yield self._chunk(token, len(prompt), sent, last=sent == budget)
        finally:
            ends.close()
            if sent < budget:
                self._aborted.inc()
                logger.info("Aborted Request ID: %s after %d tokens", context.id(), sent)

    def _budget(self, request: GenerateRequest) -> int:
        """How many tokens are asked for. Raises what Dynamo does for a request that is not for this mode."""
        if self._mode == DisaggregationMode.DECODE and not is_probe(request):
            require_prefill_result(request, self._mode)
        if self._mode == DisaggregationMode.PREFILL:
            enforce_prefill_max_tokens(request)
        asked = (request.get("stop_conditions") or {}).get("max_tokens")
        return DEFAULT_MAX_TOKENS if asked is None else int(asked)

    @asynccontextmanager
    async def _slot(self, blocks: int, ends: _Ends) -> AsyncIterator[bool]:
        """A slot; False when the request was cancelled while it waited for one."""
        turn = asyncio.ensure_future(self._slots.take(blocks))
        try:
            await ends.come(before=turn)
            if not turn.done():
                yield False
                return
            self._publish()
            yield True
        finally:
            if turn.done() and not turn.cancelled():
                self._slots.give_back(blocks)
                self._publish()
            else:
                turn.cancel()

    async def _count(self, token: int, budget: int, ends: _Ends) -> AsyncIterator[int]:
        """Tokens at their times: each is due an interval after the one before was, however late that one came.

        What was due while the process was frozen is not caught up.
        """
        loop = asyncio.get_running_loop()
        last = due = loop.time()
        for _ in range(budget):
            due = max(due, self._pace.resumed) + self._pace.interval
            if await ends.come(within=max(0.0, due - loop.time())):
                await asyncio.sleep(self._seconds_to_stop)  # a real engine holds the slot until it has stopped
                return
            token = after(token)
            self._tokens.inc()
            self._gaps.observe((now := loop.time()) - last)
            last = now
            yield token

    def _chunk(self, token: int, prompt: int, sent: int, *, last: bool) -> GenerateChunk:
        if not last:
            return {"token_ids": [token], "index": 0}
        chunk = _last([token], prompt, sent, "length")
        if self._mode == DisaggregationMode.PREFILL:
            chunk["disaggregated_params"] = {"handle": uuid.uuid4().hex, "first_token": token}
        return chunk

    def component_metrics_dp_ranks(self) -> list[int]:
        return [0]

    def attach_snapshot_publisher(self, publisher: Any) -> None:
        self._publisher = publisher
        self._publish()

    def _publish(self) -> None:
        """Tell Dynamo's router how full this worker is."""
        if self._publisher is not None:
            used, total = self._slots.used_blocks, self._slots.blocks
            snapshot = ComponentSnapshot(
                kv_used_blocks=used, kv_total_blocks=total, gpu_cache_usage=used / total, dp_rank=0
            )
            self._publisher.publish(0, snapshot)

    async def register_prometheus(self, metrics: Any) -> None:
        register_engine_registry(metrics, self.registry)

    async def health_check_payload(self) -> dict[str, Any] | None:
        return build_health_check_payload(bos_token_id=1)

    async def is_quiescent(self) -> bool:
        return self._slots.running == 0

    async def cleanup(self) -> None:
        """Nothing is held beyond the process."""


def _wishes(request: GenerateRequest) -> dict[str, Any]:
    """What a request says beyond its prompt: how to sample, when to stop, what to tell."""
    told = {key: request.get(key) or {} for key in ("sampling_options", "stop_conditions", "output_options")}
    return {f"{key}.{name}": value for key, said in told.items() for name, value in said.items() if value is not None}


def _last(tokens: list[int], prompt: int, sent: int, reason: str) -> GenerateChunk:
    usage = {"prompt_tokens": prompt, "completion_tokens": sent, "total_tokens": prompt + sent}
    return {"token_ids": tokens, "index": 0, "finish_reason": reason, "completion_usage": usage}


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model-path", required=True, help="model folder: tokenizer, config, chat template")
    parser.add_argument("--model-name", required=True, help="name under which clients ask for it")
    parser.add_argument("--backend", choices=sorted(TAKEN), default="vllm", help="whose log lines to write")
    parser.add_argument("--disaggregation-mode", choices=["agg", "prefill", "decode"], default="agg")
    parser.add_argument("--request-plane", choices=["tcp", "nats"], default="tcp")
    parser.add_argument("--namespace", default="dynamo")
    parser.add_argument("--component", help="Dynamo's name for workers that serve one model (backend or prefill)")
    parser.add_argument("--tokens-per-second", type=_positive, default=100.0, help="of each request (100)")
    parser.add_argument("--slots", type=int, default=16, help="requests that run at once (16)")
    parser.add_argument("--blocks", type=int, default=4096, help="KV blocks of 16 tokens (4096)")
    parser.add_argument(
        "--seconds-to-stop", type=float, default=0.0, help="that a cancelled request still holds its slot (0)"
    )
    parser.add_argument("--seconds-to-begin", type=float, default=0.0, help="before the first token of a request (0)")
    return parser


def _positive(text: str) -> float:
    number = float(text)
    if not number > 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return number


if __name__ == "__main__":
    run(CountingEngine)
