"""Results in the shape of Dynamo's testing guide."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support.errors import UsageError
from support.results.measures import Limits, together
from support.results.results import Results
from support.scenarios import PHASES


def summary(log_dir: Path, *, limits: Limits | None = None) -> dict[str, Any]:
    """Of one load's folder: `success_rate` (percent), `p99_latency_ms` and every other field of `Measures`; below the
    phases' names the same for each. UsageError when not one request was recorded."""
    results = Results(log_dir, limits=limits)
    if not results.overall.requests:
        raise UsageError(f"{log_dir} holds a load of zero requests: there is nothing to judge")
    return results.as_dict()


def process_overflow_recovery_test(log_dir: str | Path, *, limits: Limits | None = None) -> dict[str, Any]:
    """A load in three phases: STANDARD, OVERFLOW, RECOVERY.

    log_dir: the folder of one load with its marks; or one with the folders standard, overflow and recovery, a load
    each. The answer has `success_rate`, `p99_latency_ms` and the rest for the whole, and the same below each phase's
    name; of folders the whole has only these two and the counts. UsageError when phases lack or nothing was recorded
    in one.
    """
    folder = Path(log_dir)
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}: name one that a load has written")
    parts = {phase: folder / phase.lower() for phase in PHASES if (folder / phase.lower()).is_dir()}
    told = {phase: summary(part, limits=limits) for phase, part in parts.items()} or summary(folder, limits=limits)
    lacking = [phase for phase in PHASES if phase not in told]
    if lacking:
        raise UsageError(f"{folder} has no request in {', '.join(lacking)}: the test was not run to its end")
    return told if not parts else told | _whole(told, [Results(part) for part in parts.values()])


def _whole(told: dict[str, dict[str, Any]], parts: list[Results]) -> dict[str, Any]:
    """Of loads in folders of their own: counts are added up, the percentile is pooled over their requests."""
    requests = sum(part["requests"] for part in told.values())
    completed = sum(part["completed"] for part in told.values())
    stayed = requests - sum(part["left"] for part in told.values())
    pooled = together(part.tally for part in parts).measures(seconds=1).p99_latency_ms
    return {
        "requests": requests,
        "completed": completed,
        "success_rate": 100 * completed / stayed if stayed else 0.0,
        "p99_latency_ms": pooled,
    }
