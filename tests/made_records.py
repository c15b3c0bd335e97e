"""Folders of loads, made up, for tests of what is computed from them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from support.load.plan import LoadPlan
from support.marks import Fault, Marks, Phase
from support.sampling import FILE

BEGIN = 1_800_000_000.0
"""Seconds since the epoch at which a made load begins."""


def record(client: int, due: float, took: float = 0.5, **other: Any) -> dict[str, Any]:
    """One request's record. due: seconds after BEGIN; took: seconds."""
    start = BEGIN + due
    made = {
        "schema": 2,
        "load": "main",
        "shard": 0,
        "client": client,
        "turn": 0,
        "request_id": f"request-{client}-{other.get('turn', 0)}",
        "max_tokens": 3,
        "due": start,
        "start": start,
        "first_token": start + took / 2,
        "end": start + took,
        "status": "completed",
        "http_status": 200,
        "error_class": None,
        "tokens": 3,
        "gaps_ms": [10.0, 20.0],
        "last_gap_ms": 1.0,
        "lost": 0,
        "repeated": 0,
        "stray": 0,
    }
    return made | other


def failed(client: int, due: float, took: float = 0.1, *, status: int = 500, **other: Any) -> dict[str, Any]:
    """One that was answered with an HTTP error."""
    none: dict[str, Any] = {"first_token": None, "tokens": 0, "gaps_ms": [], "last_gap_ms": None, "lost": 0}
    error = {"status": "error", "http_status": status, "error_class": "http_status"}
    return record(client, due, took, **none, **error, **other)


def left(client: int, due: float, took: float = 0.1, **other: Any) -> dict[str, Any]:
    """One whose client hung up after two tokens, as it was to."""
    return record(client, due, took, status="cancelled", leaves_after=2, tokens=2, gaps_ms=[10.0], **other)


def folder(
    path: Path,
    records: Iterable[dict[str, Any]],
    *,
    phases: Iterable[tuple[str, float, float]] = (),
    fault: float | None = None,
    how: str = "stopped",
    plan: LoadPlan | None = None,
    sent_until: float | None = None,
) -> Path:
    """Write a load of these records; phases, the time of a kill and `sent_until` are seconds after BEGIN."""
    path.mkdir(parents=True, exist_ok=True)
    lines = list(records)
    plan = plan or _plan(lines)
    (path / "load.json").write_text(json.dumps({"schema": 2, "clock_offset": 0.0, "plan": plan.to_json()}))
    (path / "records-0000.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    until = None if sent_until is None else BEGIN + sent_until
    end = {"started": len(lines), "ended": len(lines), "how": how, "sent_until": until}
    (path / "end-0000.json").write_text(json.dumps(end))
    marked = [Phase(name, BEGIN + begin, BEGIN + end) for name, begin, end in phases]
    faults = [] if fault is None else [Fault(name="killed", target="w", begin=BEGIN + fault, end=BEGIN + fault)]
    if marked:
        Marks(phases=marked, faults=faults).write(path)
    return path


def _plan(lines: list[dict[str, Any]]) -> LoadPlan:
    """Of which nobody owes a request, so that what lacks is a hole between those that are there."""
    turns: dict[str, int] = {}
    for one in lines:
        turns[one["client"]] = max(turns.get(one["client"], 1), one["turn"] + 1)
    fewest = min(turns.values(), default=1)
    return LoadPlan(base_url="http://frontend", model="m", clients=len(turns) or 1, requests_per_client=fewest)


THREE = (("STANDARD", 0.0, 2.0), ("OVERFLOW", 2.0, 4.0), ("RECOVERY", 4.0, 20.0))


def sampled(path: Path, component: str, series: str, values: Mapping[float, float]) -> Path:
    """A load's file of samples: one series of one component, by when they were taken (seconds after BEGIN)."""
    taken = (
        {"at": BEGIN + at, "component": component, "series": series, "value": value} for at, value in values.items()
    )
    file = path / FILE
    file.write_text("".join(f"{json.dumps(one)}\n" for one in taken))
    return file
