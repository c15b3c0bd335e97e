"""Records of a load as a lazy frame, and all that can be wrong with them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from support.errors import UsageError
from support.load.plan import SCHEMA, LoadPlan

COLUMNS: dict[str, Any] = {
    "schema": pl.Int64,
    "load": pl.String,
    "shard": pl.Int64,
    "client": pl.Int64,
    "turn": pl.Int64,
    "request_id": pl.String,
    "max_tokens": pl.Int64,
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
}
"""Those that results need; the rest of a line is for people."""
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
    frames = [pl.scan_ndjson(_whole_lines(file) if file.name in half else file, schema=COLUMNS) for file in full]
    frame = pl.concat(frames) if frames else pl.LazyFrame(schema=COLUMNS)
    ends = [json.loads(file.read_text()) for file in sorted(log_dir.glob("end-*.json"))]
    return LoadFolder(log_dir, plan, float(described["clock_offset"]), frame, half, ends)


def insist(folder: LoadFolder, seen: dict[str, Any]) -> None:
    """UsageError for records that contradict themselves. seen: what `flaws` counted."""
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
    """What `insist` looks at, over all records."""
    backwards = (
        (pl.col("end") < pl.col("start"))
        | (pl.col("start") < pl.col("due") - _EARLY)
        | (pl.col("first_token") < pl.col("start"))
        | (pl.col("first_token") > pl.col("end"))
    )
    return [
        (pl.col("schema") != SCHEMA).sum().alias("other_schema"),
        (pl.col("load") != plan.name).sum().alias("other_load"),
        backwards.fill_null(value=False).sum().alias("backwards"),
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


def _whole_lines(file: Path) -> bytes:
    """Without the last one, which is only half there; polars reads these from memory."""
    data = file.read_bytes()
    return data[: data.rfind(b"\n") + 1]


def _ends_whole(file: Path) -> bool:
    with file.open("rb") as opened:
        opened.seek(-1, 2)
        return opened.read(1) == b"\n"
