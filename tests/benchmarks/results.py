"""What the results of a load cost, beside a bare polars scan of the same file.

    python -m tests.benchmarks.results [--records 1000000] [--chunks 8] [--rounds 3]

bare: scan_ndjson with the same schema, and one cheap aggregate of every column that results need, in the streaming
engine: what it costs to read the file. results: `Results`, with its phases, percentiles and checks. Each runs in a
process of its own, in turn; time is without start and imports. CPU is what compares on a busy machine. Memory is the
highest of the process's own (RssAnon, looked at every 10 ms): pages of the file that the kernel lends do not count.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from support.load.plan import SCHEMA, LoadPlan
from support.marks import Marks, Phase
from support.results import Results
from support.results.read import COLUMNS

BEGIN = 1_800_000_000.0
RATE = 1000.0  # requests a second
CLIENTS = 1000
PART = 100_000  # records that are made at a time
CUT = "the stream ended without a finish reason"
REFUSED = '{"message":"Service temporarily unavailable: all workers are busy","type":"Service Unavailable","code":529}'


def main() -> None:
    options = _options()
    if options.only:
        print(json.dumps(measured(WAYS[options.only], Path(options.folder))))
        return
    with tempfile.TemporaryDirectory(prefix="results-", dir=options.folder) as made:
        folder = Path(made)
        make(folder, options.records, options.chunks)
        size = (folder / "records-0000.jsonl").stat().st_size
        print(f"{options.records} records of {options.chunks} chunks, {size / 1e9:.2f} GB")
        told: dict[str, list[dict[str, float]]] = {name: [] for name in WAYS}
        for number in range(1, options.rounds + 1):
            for name in WAYS:
                told[name].append(alone(name, folder))
            seen = (f"{name} {each[-1]['seconds']:.2f} s {each[-1]['mb']:.0f} MB" for name, each in told.items())
            print(f"round {number}:", ", ".join(seen), flush=True)
    report(told)


def report(told: dict[str, list[dict[str, float]]]) -> None:
    """Medians, and the median of the rounds' own ratios."""
    print("| | CPU of bare | wall of bare | CPU | wall | peak memory |\n|---|---|---|---|---|---|")
    for name, rounds in told.items():
        ratios = (
            statistics.median(one[what] / other[what] for one, other in zip(rounds, told["bare"], strict=True))
            for what in ("cpu", "seconds")
        )
        cpu, wall, memory = (statistics.median(each[what] for each in rounds) for what in ("cpu", "seconds", "mb"))
        shown = " | ".join(f"{ratio:.2f}x" for ratio in ratios)
        print(f"| {name} | {shown} | {cpu:.2f} s | {wall:.2f} s | {memory:.0f} MB |")


def bare(folder: Path) -> None:
    """Read every column that results need, and touch each: the least that any answer from this file costs."""
    columns = [_touched(pl.col(name), kind) for name, kind in COLUMNS.items()]
    pl.scan_ndjson(folder / "records-0000.jsonl", schema=COLUMNS).select(columns).collect(engine="streaming")


def _touched(column: pl.Expr, kind: pl.DataType) -> pl.Expr:
    if kind == pl.String:
        return column.str.len_bytes().sum()
    return column.list.len().sum() if kind == pl.List(pl.Float64) else column.sum()


def ours(folder: Path) -> None:
    assert Results(folder).overall.requests


WAYS: dict[str, Callable[[Path], None]] = {"bare": bare, "results": ours}


def alone(name: str, folder: Path) -> dict[str, float]:
    """In a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.results", "--only", name, "--folder", str(folder)]
    told: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return told


def measured(way: Callable[[Path], None], folder: Path) -> dict[str, float]:
    memory = _Memory()
    memory.start()
    begun, used = time.monotonic(), time.process_time()
    way(folder)
    spent = {"seconds": time.monotonic() - begun, "cpu": time.process_time() - used}
    return spent | {"mb": memory.end()}


class _Memory(threading.Thread):
    """Looks at this process's own memory until it is told to end."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._over = threading.Event()
        self._highest = 0

    def run(self) -> None:
        while not self._over.wait(0.01):
            (line,) = (each for each in Path("/proc/self/status").read_text().splitlines() if "RssAnon" in each)
            self._highest = max(self._highest, int(line.split()[1]))

    def end(self) -> float:
        """The highest, in megabytes."""
        self._over.set()
        self.join()
        return self._highest / 1024


def make(folder: Path, records: int, chunks: int) -> None:
    """A load of 1,000 clients in three phases, of which 1 in 100 requests is refused."""
    plan = LoadPlan(base_url="http://frontend", model="m", clients=CLIENTS)
    (folder / "load.json").write_text(json.dumps({"schema": SCHEMA, "clock_offset": 0.0, "plan": plan.to_json()}))
    (folder / "end-0000.json").write_text(json.dumps({"started": records, "ended": records, "how": "stopped"}))
    third = records / RATE / 3
    names = ("STANDARD", "OVERFLOW", "RECOVERY")
    Marks(phases=[Phase(n, BEGIN + i * third, BEGIN + (i + 1) * third) for i, n in enumerate(names)]).write(folder)
    chance = np.random.default_rng(0)
    with (folder / "records-0000.jsonl").open("wb") as file:
        for first in range(0, records, PART):
            _part(first, min(PART, records - first), chunks, chance).write_ndjson(file)


def _part(first: int, count: int, chunks: int, chance: np.random.Generator) -> pl.DataFrame:
    """Lines as `support.load.lines` writes them: every column, in its order."""
    number = np.arange(first, first + count)
    due = BEGIN + (number + chance.random(count)) / RATE
    start = due + chance.uniform(5e-5, 4e-4, count)
    took = chance.lognormal(-0.5, 0.4, count)
    drawn = pl.DataFrame(
        {
            "number": number,
            "request_id": [str(uuid.UUID(bytes=chance.bytes(16), version=4)) for _ in range(count)],
            "due": due,
            "start": start,
            "headers": start + took / 8,
            "first_token": start + took / 4,
            "end": start + took,
            "gaps_ms": np.round(chance.lognormal(3, 0.8, (count, chunks - 1)), 3),
            "last_gap_ms": np.round(chance.lognormal(-1, 0.5, count), 3),
        }
    )
    refused, cut = pl.col("number") % 100 == 7, pl.col("number") % 1000 == 13
    got = pl.when(~refused)
    told = {
        "schema": pl.lit(SCHEMA),
        "load": pl.lit("main"),
        "shard": pl.lit(0),
        "client": pl.col("number") % CLIENTS,
        "turn": pl.col("number") // CLIENTS,
        "request_id": pl.col("request_id"),
        "endpoint": pl.lit("completions"),
        "stream": pl.lit(value=True),
        "model": pl.lit("counting-model"),
        "prompt_tokens": pl.lit(5),
        "max_tokens": pl.lit(chunks),
        "due": pl.col("due"),
        "start": pl.col("start"),
        "headers": pl.col("headers"),
        "first_token": got.then("first_token"),
        "end": pl.col("end"),
        "status": pl.when(refused | cut).then(pl.lit("error")).otherwise(pl.lit("completed")),
        "http_status": got.then(200).otherwise(529),
        "error_class": pl.when(refused).then(pl.lit("http_status")).when(cut).then(pl.lit("truncated")),
        "error": pl.when(refused).then(pl.lit(REFUSED)).when(cut).then(pl.lit(CUT)),
        "finish_reason": pl.when(~refused & ~cut).then(pl.lit("length")),
        "done_mark": ~refused & ~cut,
        "tokens": got.then(chunks).otherwise(0),
        "usage_prompt": got.then(5),
        "usage_completion": got.then(chunks),
        "gaps_ms": got.then(pl.col("gaps_ms").arr.to_list()).otherwise(pl.lit([], dtype=pl.List(pl.Float64))),
        "last_gap_ms": got.then("last_gap_ms"),
        "lost": pl.lit(0),
        "repeated": pl.lit(0),
        "stray": pl.when(cut).then(1).otherwise(0),
        "text": pl.when(cut).then(pl.lit("t17 t18 t19 t21 t22 t23 t24 t25")),
        "worker": pl.lit(None),
    }
    return drawn.select(**told)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--chunks", type=int, default=8, help="of each answer")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", default=None, help="where the records are made; they are deleted at the end")
    parser.add_argument("--only", choices=WAYS, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
