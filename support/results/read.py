"""Records of a load as a lazy frame, and all that can be wrong with them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from polars.io.plugins import register_io_source

from support.errors import UsageError
from support.load.plan import SCHEMA, LoadPlan

COLUMNS: dict[str, Any] = {
    "schema": pl.Int64,
    "load": pl.String,
    "client": pl.Int64,
    "turn": pl.Int64,
    "request_id": pl.String,
    "due": pl.Float64,
    "start": pl.Float64,
    "first_token": pl.Float64,
    "end": pl.Float64,
    "status": pl.String,
    "http_status": pl.Int64,
    "error_class": pl.String,
    "tokens": pl.Int64,
    "gaps_ms": pl.List(pl.Float64),
    "last_gap_ms": pl.Float64,
    "lost": pl.Int64,
    "repeated": pl.Int64,
    "stray": pl.Int64,
    "leaves_after": pl.Int64,
    "worker": pl.String,
}
"""Those that results need; the rest of a line is for people."""
LATENCY = (pl.col("end") - pl.col("due")) * 1000
TTFT = (pl.col("first_token") - pl.col("due")) * 1000
LEFT = (pl.col("status") == "cancelled") & pl.col("leaves_after").is_not_null()
"""Its client hung up as it was to: nobody failed it. Others were given up when their load was aborted."""
OUTCOME = (
    pl.when(LEFT)
    .then(pl.lit("left"))
    .when(pl.col("status") != "error")
    .then("status")
    .when(pl.col("error_class") == "http_status")
    .then(pl.format("http {}", "http_status"))
    .otherwise(pl.coalesce("error_class", "status"))
)
"""How a request ended: "completed", "left", "cancelled", "timeout", "http 503", ..."""
FLAWS = ("other_schema", "other_load", "backwards")
_BLOCK = 1 << 22
_EARLY = 0.001
"""Seconds by which a request may go out before it is due: a timer's grain."""


@dataclass(frozen=True)
class LoadFolder:
    """One load's folder: what was planned, and its records."""

    path: Path
    plan: LoadPlan
    clock_offset: float
    frame: pl.LazyFrame
    truncated: Sequence[str]
    """Files whose last line was only half written, and is left out: the client was killed."""
    ends: Sequence[dict[str, Any]]
    """How each shard ended; fewer than shards when one was killed."""


def load_frame(log_dir: Path) -> LoadFolder:
    """Read one load's folder, lazily. UsageError for one that holds no load, another schema, or several loads."""
    described = _described(log_dir)
    plan = LoadPlan.from_json(described["plan"])
    files = sorted(log_dir.glob("records-*.jsonl"))
    if len(files) > plan.shards:
        raise UsageError(f"{log_dir} is mixed: it has the records of {len(files)} shards, its load had {plan.shards}")
    full = [file for file in files if file.stat().st_size]
    half = [file.name for file in full if not _ends_whole(file)]
    frames = [pl.scan_ndjson(file, schema=COLUMNS) if _ended(file) else _whole_lines(file) for file in full]
    frame = pl.concat(frames) if frames else pl.LazyFrame(schema=COLUMNS)
    ends = [json.loads(file.read_text()) for file in sorted(log_dir.glob("end-*.json"))]
    return LoadFolder(log_dir, plan, float(described["clock_offset"]), frame, half, ends)


def insist(folder: LoadFolder, seen: Mapping[str, int]) -> None:
    """UsageError for records that contradict themselves. seen: how many have each of the `FLAWS`."""
    if seen["other_schema"]:
        raise UsageError(
            f"{folder.path} has {seen['other_schema']} records of another schema; this version reads {SCHEMA}"
        )
    if seen["other_load"]:
        raise UsageError(
            f"{folder.path} is mixed: {seen['other_load']} records are not of the load {folder.plan.name!r}"
        )
    if seen["backwards"]:
        raise UsageError(f"clocks went back in {folder.path}: {seen['backwards']} records end before they begin")


def flaws(plan: LoadPlan) -> list[pl.Expr]:
    """Whether a record has each of the `FLAWS`."""
    backwards = (
        (pl.col("end") < pl.col("start"))
        | (pl.col("start") < pl.col("due") - _EARLY)
        | (pl.col("first_token") < pl.col("start"))
        | (pl.col("first_token") > pl.col("end"))
    )
    return [
        (pl.col("schema") != SCHEMA).alias("other_schema"),
        (pl.col("load") != plan.name).alias("other_load"),
        backwards.alias("backwards"),
    ]


def _described(log_dir: Path) -> dict[str, Any]:
    path = log_dir / "load.json"
    try:
        described: dict[str, Any] = json.loads(path.read_text())
        schema = described["schema"]
    except FileNotFoundError:
        raise UsageError(f"{log_dir} holds no load: there is no load.json in it") from None
    except (ValueError, KeyError, TypeError) as broken:
        raise UsageError(f"{path} is broken ({broken}): the load cannot be read") from broken
    if schema != SCHEMA:
        raise UsageError(f"{path} has schema {schema}, this version reads {SCHEMA}: use the version that wrote it")
    return described


def _ended(file: Path) -> bool:
    """Nobody writes to it any more, or will: a shard says so when it has ended, if it was not killed."""
    return file.with_name(file.name.replace("records-", "end-")).with_suffix(".json").exists() and _ends_whole(file)


def _whole_lines(file: Path) -> pl.LazyFrame:
    """Without the last one as long as it is only half there: scan_ndjson would refuse the file for it, and scan_lines
    would hold all of it in memory."""

    def read(
        columns: list[str] | None, predicate: pl.Expr | None, rows: int | None, _size: int | None
    ) -> Iterator[pl.DataFrame]:
        for block in _blocks(file):
            part = pl.read_ndjson(block, schema=COLUMNS)
            if rows is not None:
                part = part.head(rows)
                rows -= part.height
            kept = part if predicate is None else part.filter(predicate)
            yield kept if columns is None else kept.select(columns)
            if rows == 0:
                return

    return register_io_source(read, schema=COLUMNS)


def _blocks(file: Path) -> Iterator[bytes]:
    """Whole lines, about `_BLOCK` bytes at a time; what follows the last line's end is left out."""
    rest = b""
    with file.open("rb") as opened:
        while block := opened.read(_BLOCK):
            whole, end, last = block.rpartition(b"\n")
            if end:
                yield rest + whole + end
                rest = last
            else:
                rest += last


def _ends_whole(file: Path) -> bool:
    with file.open("rb") as opened:
        opened.seek(-1, 2)
        return opened.read(1) == b"\n"
