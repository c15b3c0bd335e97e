"""The load client as a whole: how soon it sends, how much memory it needs, how many streams one core bears, and how far
what it tells is from the truth.

    python -m tests.benchmarks.load_client [--rounds 5] [start|memory|streams|error ...]

The truth is a server that stamps (tests/benchmarks/stamping_server.py); both are on one machine and on its one clock.
The client's own error is what it says of a first token, or of an end, less when the server gave that to the kernel.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl

from support.load.plan import Lengths, LoadPlan
from support.load.run import PROGRAM, LoadRun
from tests.benchmarks.stamping_server import StampingServer

WITHIN = 300.0
"""Seconds in which each load must have ended."""


def main() -> None:
    options = _options()
    for name in options.what or PARTS:
        with tempfile.TemporaryDirectory() as folder:
            print(f"\n{name}: {(PARTS[name].__doc__ or '').splitlines()[0]}")
            PARTS[name](Path(folder), options.rounds)


def start(folder: Path, rounds: int) -> None:
    """from the call to the first request that the server sees: at most 0.5 s."""
    took = []
    for number in range(rounds):
        server = StampingServer(0.001, folder / f"stamps-{number}")
        with server as url:
            began = time.monotonic()
            _run(folder / str(number), url, clients=1, requests_per_client=1, tokens=1)
        (stamps,) = server.read().values()
        took.append(stamps["seen"] - began)
    print(f"median {statistics.median(took):.3f} s, between {min(took):.3f} and {max(took):.3f} s")


def memory(folder: Path, rounds: int) -> None:
    """the highest of the process after 1,000, 10,000 and 50,000 requests: flat."""
    peaks = {}
    for count in (1_000, 10_000, 50_000):
        with StampingServer(0.0005, folder / f"stamps-{count}") as url:
            peaks[count] = _run(folder / str(count), url, clients=50, requests_per_client=count // 50, tokens=8)
    least = peaks[1_000]
    print(", ".join(f"{count:,}: {peak:.0f} MB ({peak / least:.2f}x)" for count, peak in peaks.items()))


def streams(folder: Path, rounds: int) -> None:
    """1,000 streams of 20 tokens a second, the client on one core: all complete, and the core not full."""
    server = StampingServer(0.05, folder / "stamps")
    with server as url:
        one_core = ("taskset", "-c", "0", *PROGRAM)
        _run(folder / "load", url, clients=1000, requests_per_client=1, tokens=200, program=one_core)
    ends = json.loads((folder / "load" / "end-0000.json").read_text())
    compared = _compared(folder / "load", server)
    lasted = compared.select(pl.col("last").max() - pl.col("seen").min()).item()
    print(
        f"{ends['completed']} of {ends['started']} complete, {ends['tokens'] / lasted:,.0f} tokens a second;"
        f" {100 * ends['cpu_seconds'] / lasted:.0f} % of a core; {_told(compared)}"
    )


def error(folder: Path, rounds: int) -> None:
    """what it tells less the truth, at half the rate that it can do: p99 at most 5 ms."""
    server = StampingServer(0.005, folder / "stamps-most")
    with server as url:
        _run(folder / "most", url, clients=200, requests_per_client=40, tokens=8)
    all_of_it = _compared(folder / "most", server)
    most = all_of_it.height / all_of_it.select(pl.col("last").max() - pl.col("seen").min()).item()
    print(f"it can do {most:,.0f} requests (of 8 tokens) a second")
    for number in range(rounds):
        server = StampingServer(0.005, folder / f"stamps-{number}")
        with server as url:
            _run(folder / str(number), url, rate=most / 2, requests=round(most * 4), tokens=8)
        print(_told(_compared(folder / str(number), server)))


PARTS: dict[str, Callable[[Path, int], None]] = {"start": start, "memory": memory, "streams": streams, "error": error}


def _run(folder: Path, url: str, *, tokens: int, program: Sequence[str] = PROGRAM, **plan: float) -> float:
    """Run it to its end; the highest memory (resident, MB) of its process."""
    asked = LoadPlan(base_url=url, model="m", max_tokens=Lengths(str(tokens)), continuity=False, **plan)  # type: ignore[arg-type]
    run = LoadRun(asked, folder, program=program)
    run.start()
    pid, peak, until = _pid_of(folder), 0.0, time.monotonic() + WITHIN
    while not run.done and time.monotonic() < until:
        peak = _peak(pid) or peak
        time.sleep(0.02)
    run.wait(within=1)
    run.kill()
    return peak


def _pid_of(folder: Path) -> int:
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder) in (process / "cmdline").read_text().split("\0"):
                return int(process.name)
        except OSError:
            continue
    raise SystemExit(f"no process writes to {folder}: it was over before it could be looked at")


def _peak(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return max((int(line.split()[1]) / 1000 for line in lines if line.startswith("VmHWM")), default=0.0)


def _compared(folder: Path, server: StampingServer) -> pl.DataFrame:
    """Each request: `seen`, `first`, `last` of the server; `first_late`, `end_late` of the client, in ms."""
    offset = json.loads((folder / "load.json").read_text())["clock_offset"]
    truth = pl.DataFrame([{"request_id": name, **told} for name, told in server.read().items()])
    told = pl.read_ndjson(folder / "records-0000.jsonl", infer_schema_length=None).select(
        "request_id", pl.col("first_token") - offset, pl.col("end") - offset
    )
    return told.join(truth, on="request_id", validate="1:1").with_columns(
        ((pl.col("first_token") - pl.col("first")) * 1000).alias("first_late"),
        ((pl.col("end") - pl.col("last")) * 1000).alias("end_late"),
    )


def _told(compared: pl.DataFrame) -> str:
    shown = []
    for name, column in {"first token": "first_late", "end": "end_late"}.items():
        late = pl.col(column)
        half, most = compared.select(late.median(), late.quantile(0.99, "linear").alias("p99")).row(0)
        shown.append(f"{name} late by {half:.2f} ms, p99 {most:.2f} ms")
    return f"{compared.height} requests, {', '.join(shown)}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"{Path(sys.executable).name} -m tests.benchmarks.load_client")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("what", nargs="*", choices=[*PARTS, []], help="all when none is named")
    return parser.parse_args()


if __name__ == "__main__":
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")
    main()
