"""The counting engine, served as Dynamo's own backends serve theirs instead of by Dynamo's engine kit.

In ai-dynamo 1.4.2 `dynamo.vllm`, `dynamo.sglang` and `dynamo.trtllm` register their model themselves, serve their
endpoint with `graceful_shutdown=True`, and end by `dynamo.common.utils.graceful_shutdown`: leave discovery, serve on
for the grace period, then raise `EngineShutdown` in what still runs (`_monitor_abort` of vllm/handlers.py, and its
sisters), and end when nothing is in flight. An engine that has failed for good ends the process with 1
(`_shutdown_on_engine_dead` there). The engine kit (`dynamo.common.backend`), for engines of one's own, has another
ending.

Options are those of `counting.py`. This program tells Dynamo's router nothing of its KV blocks.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import aclosing

import uvloop
from dynamo._core import Context
from dynamo.common.backend.engine import GenerateChunk, GenerateRequest
from dynamo.common.backend.worker import WorkerConfig
from dynamo.common.constants import DisaggregationMode
from dynamo.common.utils.graceful_shutdown import install_signal_handlers
from dynamo.llm import ModelInput, ModelRuntimeConfig, ModelType, WorkerType, register_model
from dynamo.llm.exceptions import EngineShutdown
from dynamo.runtime import DistributedRuntime
from dynamo.runtime.logging import configure_dynamo_logging
from prometheus_client import generate_latest

from support.engines.counting import BLOCK_SIZE, CONTEXT_LENGTH, CountingEngine

_OPENAI = ModelType.Chat | ModelType.Completions
_ROLES = {
    DisaggregationMode.AGGREGATED: (_OPENAI, WorkerType.Aggregated, []),
    DisaggregationMode.PREFILL: (ModelType.Prefill, WorkerType.Prefill, [[WorkerType.Decode]]),
    DisaggregationMode.DECODE: (_OPENAI, WorkerType.Decode, [[WorkerType.Prefill]]),
}
"""What a worker of each mode registers as: surfaces, stage, and the stages that it needs (vllm/worker_factory.py)."""


async def serve(engine: CountingEngine, config: WorkerConfig) -> None:
    """Until it is asked to end and has drained."""
    configure_dynamo_logging()
    loop = asyncio.get_running_loop()
    runtime = DistributedRuntime(loop, config.discovery_backend, config.request_plane)
    endpoint = runtime.endpoint(f"{config.namespace}.{config.component}.{config.endpoint}")
    install_signal_handlers(loop, runtime, [endpoint], engine.over)
    told = await engine.start(0)
    endpoint.metrics.register_prometheus_expfmt_callback(lambda: generate_latest(engine.registry).decode())
    surfaces, stage, needs = _ROLES[config.disaggregation_mode]
    limits = ModelRuntimeConfig()
    limits.context_length = CONTEXT_LENGTH
    limits.total_kv_blocks = told.llm.total_kv_blocks if told.llm else None
    limits.max_num_seqs = told.llm.max_num_seqs if told.llm else None

    async def generate(request: GenerateRequest, context: Context) -> AsyncIterator[GenerateChunk]:
        async with aclosing(engine.generate(request, context)) as answer:
            try:
                async for chunk in answer:
                    yield chunk
            except EngineShutdown:
                if engine.failed:
                    _end_with_engine(runtime)
                raise

    serving = asyncio.ensure_future(endpoint.serve_endpoint(generate, graceful_shutdown=True))
    await register_model(
        ModelInput.Tokens,
        surfaces,
        endpoint,
        config.model_name,
        config.served_model_name,
        worker_type=stage,
        kv_cache_block_size=BLOCK_SIZE,
        runtime_config=limits,
        needs=needs,
    )
    await serving
    await engine.cleanup()


def _end_with_engine(runtime: DistributedRuntime) -> None:
    logging.getLogger(__name__).error("Initiating Dynamo Runtime shutdown")
    runtime.shutdown()
    os._exit(1)


async def _main() -> None:
    await serve(*await CountingEngine.from_args())


if __name__ == "__main__":
    uvloop.run(_main())
