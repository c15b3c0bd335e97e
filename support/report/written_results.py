"""The results that a run has written, read again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from support.report.outcome import KNOWN_DEFECT


def results_of(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The results of a run or a part so far, each with its file; but not what one that was killed had half written."""
    for file in sorted(folder.glob("allure-results/*-result.json")):
        with suppress(ValueError):
            yield file, json.loads(file.read_text())


def verdict_of(result: Mapping[str, Any]) -> str:
    """How it ended: its status, or "known defect", which Allure has no status for."""
    message = str((result.get("statusDetails") or {}).get("message", ""))
    return "known defect" if message.startswith(KNOWN_DEFECT) else str(result["status"])
