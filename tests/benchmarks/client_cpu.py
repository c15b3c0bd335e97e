"""What a streamed chunk costs a client, in CPU time: ours, plain httpx, aiperf, and wrk as the floor.

    python -m tests.benchmarks.client_cpu [--rounds 5] [--streams 32] [--chunks 400] [--aiperf VENV/bin/aiperf]

aiperf is measured where it is told: `python -m venv VENV; VENV/bin/pip install aiperf` (0.13 was; it must not be
installed beside the suite, whose packages it would change).

All read the same streams of the same server, which has a process of its own and writes prepared bytes at a pace that
every client keeps up with, so that each read brings one chunk. Streams are out of step with each other by as much for
every client, however fast it began them: it is woken as often as the others. Each client runs in a process of its own;
its cost is the kernel's account of that process (user and system) from the first request on, without start and
imports. Rounds go through all clients in turn, so that a busy machine is busy for all of them.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import multiprocessing
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import cast

import httpx
import uvloop

import support.requests
from support.load.exchange import Asked, exchange
from support.load.transport import LoadTransport
from support.model import MODEL_NAME, write_model
from tests.benchmarks.server_process import ServerProcess

PACE = 0.005  # seconds between two chunks of one stream
GOLDEN = 0.618  # streams begin at so much of a pace after each other: spread evenly, whatever their number
TOKEN = (
    b'data: {"id":"cmpl-0123456789","object":"chat.completion.chunk","created":1700000000,"model":"m",'
    b'"choices":[{"index":0,"delta":{"role":"assistant","content":" 12345"},"finish_reason":null}]}\n\n'
)
LAST = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"length"}]}\n\ndata: [DONE]\n\n'
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
FRAME = b"%x\r\n%s\r\n" % (len(TOKEN), TOKEN)
END = b"%x\r\n%s\r\n0\r\n\r\n" % (len(LAST), LAST)
LUA = """
wrk.method = "POST"
wrk.body = "{}"
wrk.headers["content-type"] = "application/json"
function done(summary) io.write("BYTES " .. summary.bytes .. "\\n") end
"""

Client = Callable[[str, int, int], int]
"""(url, streams, chunks per stream) -> chunks received."""


def main() -> None:
    options = _options()
    clients: dict[str, Client] = {
        "ours": ours,
        "load client": load_client,
        "ours on httpx's own transport": ours_on_httpx,
        "plain httpx": plain_httpx,
    }
    costs: dict[str, list[float]] = {name: [] for name in clients}
    wrk = shutil.which("wrk")
    if wrk:
        costs["wrk"] = []
    else:
        print("wrk is skipped: it is not on the PATH (Debian: apt-get install wrk)")
    if options.aiperf:
        costs["aiperf"] = []
    else:
        print("aiperf is skipped: --aiperf does not say where it is")
    with ServerProcess(_serve, options.chunks) as url:
        for number in range(1, options.rounds + 1):
            for name, client in clients.items():
                costs[name].append(cost(client, url, options.streams, options.chunks))
            if wrk:
                costs["wrk"].append(cost_of_wrk(wrk, url, options.streams, options.chunks))
            if options.aiperf:
                costs["aiperf"].append(cost_of_aiperf(options.aiperf, url, options.streams, options.chunks))
            print(f"round {number}:", ", ".join(f"{name} {values[-1]:.1f}" for name, values in costs.items()))
    report(costs)


def report(costs: dict[str, list[float]]) -> None:
    medians = {name: statistics.median(values) for name, values in costs.items()}
    print(f"\n{'client':32} {'CPU per chunk, median':>22} {'least':>9} {'most':>9} {'of ours':>9}")
    for name, values in costs.items():
        ratio = medians[name] / medians["ours"]
        print(f"{name:32} {medians[name]:19.1f} us {min(values):6.1f} us {max(values):6.1f} us {ratio:8.2f}x")


def ours(url: str, streams: int, chunks: int) -> int:
    records = [request.finished(within=300) for request in support.requests.spawn_long_running(url, "m", streams)]
    assert {record.status for record in records} <= {"completed"}, records[0].error
    return sum(len(record.chunks) for record in records)


def load_client(url: str, streams: int, chunks: int) -> int:
    """The load client's own exchange: record, times, every chunk parsed; without the oracle of tokens."""

    async def one(client: httpx.AsyncClient) -> int:
        body = {"model": "m", "max_tokens": chunks, "stream": True}
        asked = Asked("0", body, "", time.monotonic())
        answer = await exchange(client, httpx.URL(f"{url}/v1/chat/completions"), asked, deadline=300)
        assert answer.finish().status == "completed", answer.record.error
        return len(answer.times)

    async def together() -> int:
        async with httpx.AsyncClient(transport=LoadTransport(), trust_env=False, timeout=None) as client:
            return sum(await asyncio.gather(*(one(client) for _ in range(streams))))

    return uvloop.run(together())


def ours_on_httpx(url: str, streams: int, chunks: int) -> int:
    """The same client, over httpx's own transport instead of aiohttp."""

    @asynccontextmanager
    async def connection(**_: object) -> AsyncIterator[httpx.AsyncClient]:
        async with httpx.AsyncClient(trust_env=False, timeout=None, verify=False) as client:
            yield client

    setattr(support.requests, "connection", connection)  # noqa: B010  # a process of its own, which only measures this
    return ours(url, streams, chunks)


def plain_httpx(url: str, streams: int, chunks: int) -> int:
    """httpx as its documentation shows it: lines, and the JSON in them; no record, no times."""

    async def one() -> int:
        count = 0
        async with (
            httpx.AsyncClient(trust_env=False, timeout=None, verify=False) as client,
            client.stream("POST", f"{url}/v1/chat/completions", json={"stream": True}) as response,
        ):
            async for line in response.aiter_lines():
                if line.startswith("data: {"):
                    count += bool(json.loads(line[6:])["choices"][0]["delta"].get("content"))
        return count

    async def together() -> int:
        return sum(await asyncio.gather(*(one() for _ in range(streams))))

    return asyncio.run(together())


def cost(client: Client, url: str, streams: int, chunks: int) -> float:
    """Microseconds of CPU per chunk; connecting included, start and imports of the process not."""
    context = multiprocessing.get_context("spawn")
    ours_end, theirs = context.Pipe()
    process = context.Process(target=_measure, args=(client, url, streams, chunks, theirs))
    process.start()
    theirs.close()  # so that a process that fails is seen to
    spent, received = ours_end.recv()
    process.join()
    assert received == streams * chunks, f"{client.__name__} received {received} of {streams * chunks} chunks"
    return float(spent / received * 1e6)


def cost_of_wrk(wrk: str, url: str, streams: int, chunks: int) -> float:
    """The same for wrk, which only receives; `wrk -v` measures its start."""
    duration = max(1, round(chunks * PACE))
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "receive.lua"
        script.write_text(LUA)
        command = [wrk, "-t1", f"-c{streams}", f"-d{duration}s", "--timeout", "60s", "-s", str(script)]
        spent, output = _run(wrk, [*command, f"{url}/v1/chat/completions"])
        idle, _ = _run(wrk, ["-v"])
    received = int(output.split("BYTES ")[1].split()[0]) / len(FRAME)
    return (spent - idle) / received * 1e6


def cost_of_aiperf(aiperf: str, url: str, streams: int, chunks: int) -> float:
    """The same for all of its processes: what three times as many requests cost more, so that its start is left out."""
    with tempfile.TemporaryDirectory() as folder:
        model = write_model(Path(folder))  # a tokenizer that it need not load from anywhere
        fast = {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "<unk>"}
        (model.snapshot / "tokenizer_config.json").write_text(json.dumps(fast))
        os.environ |= {"HF_HOME": str(model.cache), "HF_HUB_OFFLINE": "1"}
        command = [aiperf, "profile", "--model", "m", "--url", url, "--endpoint-type", "chat", "--streaming"]
        command += ["--tokenizer", MODEL_NAME, "--use-server-token-count", "--ui", "none", "--isl", "8"]
        command += ["--osl", str(chunks), "--concurrency", str(streams), "--artifact-dir", folder]
        spent = [_run(aiperf, [*command, "--request-count", str(times * streams)])[0] for times in (1, 3)]
        (told,) = Path(folder).glob("profile_export_aiperf.json")
        count = json.loads(told.read_text())["request_count"]["avg"]
        assert count == 3 * streams, f"aiperf ended {count} of {3 * streams} requests"
    return (spent[1] - spent[0]) / (2 * streams * chunks) * 1e6


class _Streaming(asyncio.Protocol):
    """Answers whatever comes with one stream after another."""

    _numbers = itertools.count()

    def __init__(self, chunks: int) -> None:
        self._chunks = chunks
        self._left = 0
        self._due = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one without being a subclass

    def data_received(self, data: bytes) -> None:
        if b"{" not in data:
            return  # a head; its body follows
        self._left = self._chunks
        self._transport.write(HEAD)
        beat = asyncio.get_running_loop().time() // PACE
        self._due = (beat + next(self._numbers) * GOLDEN % 1) * PACE
        self._later()

    def _later(self) -> None:
        self._due += PACE
        asyncio.get_running_loop().call_at(self._due, self._next)

    def _next(self) -> None:
        if self._transport.is_closing():
            return
        if self._left == 0:
            self._transport.write(END)
            return
        self._left -= 1
        self._transport.write(FRAME)
        self._later()


def _serve(chunks: int, parent: Connection) -> None:
    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(lambda: _Streaming(chunks), "127.0.0.1", 0)
        parent.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(serve())


def _measure(client: Client, url: str, streams: int, chunks: int, parent: Connection) -> None:
    before = _spent(resource.RUSAGE_SELF)
    received = client(url, streams, chunks)
    parent.send((_spent(resource.RUSAGE_SELF) - before, received))


def _run(program: str, arguments: list[str]) -> tuple[float, str]:
    before = _spent(resource.RUSAGE_CHILDREN)
    command = [program, *arguments] if arguments[0] != program else arguments
    output = subprocess.run(command, capture_output=True, text=True).stdout
    return _spent(resource.RUSAGE_CHILDREN) - before, output


def _spent(who: int) -> float:
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"{Path(sys.executable).name} -m tests.benchmarks.client_cpu")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--streams", type=int, default=32)
    parser.add_argument("--chunks", type=int, default=400, help="of one stream")
    parser.add_argument("--aiperf", metavar="PROGRAM", help="where aiperf is, if it is to be measured too")
    return parser.parse_args()


if __name__ == "__main__":
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, one chunk every {PACE * 1000:g} ms per stream")
    main()
