"""What loads of earlier runs measured: `load-history.jsonl`, one line of JSON per run and scenario.

    {"schema": 1, "begun": 1795487832.1, "scenario": "a-killed-frontend-...", "verdict": "passed", "requests": 151,
     "success_rate": 86.1, "p99_latency_ms": 511.4, "p99_ttft_ms": 21.7, "recovery_s": 0.3, "tokens_lost": 0}

begun: seconds since the epoch, when the load's first request was due; with the scenario it names the line.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

FILE = "load-history.jsonl"
SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class Past:
    """One scenario's load in one run. verdict: the report's word, "" where nobody knows it."""

    begun: float
    scenario: str
    verdict: str
    requests: int
    success_rate: float
    p99_latency_ms: float | None
    p99_ttft_ms: float | None
    recovery_s: float | None
    tokens_lost: int


def remembered(run_dir: Path) -> list[Past]:
    """From the oldest on. Lines that are half written or of another schema are left out: history is no evidence."""
    file = run_dir / FILE
    lines = file.read_text().splitlines() if file.exists() else []
    return sorted(_told(lines), key=lambda past: past.begun)


def remember(run_dir: Path, loads: Iterable[Past]) -> list[Past]:
    """Add those that are not there yet, and give all of them, from the oldest on."""
    past = remembered(run_dir)
    known = {(one.begun, one.scenario) for one in past}
    new = [one for one in loads if (one.begun, one.scenario) not in known]
    with (run_dir / FILE).open("a+b") as file:
        if file.tell() and not _ends_whole(file.name):
            file.write(b"\n")
        for one in new:
            file.write(json.dumps({"schema": SCHEMA, **dataclasses.asdict(one)}).encode() + b"\n")
    return sorted([*past, *new], key=lambda one: one.begun)


def _told(lines: Iterable[str]) -> Iterator[Past]:
    for line in lines:
        try:
            told = json.loads(line)
            if told.pop("schema") == SCHEMA:
                yield Past(**told)
        except (ValueError, KeyError, TypeError, AttributeError):
            continue


def _ends_whole(name: str) -> bool:
    return Path(name).read_bytes().endswith(b"\n")
