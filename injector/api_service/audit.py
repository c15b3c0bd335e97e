"""The audit log: one line of JSON for every call that could change something, also for those that were refused."""

from __future__ import annotations

import json
import logging
from logging.handlers import RotatingFileHandler
from pathlib import Path

LARGEST = 10_000_000
KEPT = 3
"""Bytes of a file, and how many older ones are kept."""


class Audit:
    """Written to a file of its own."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._handler = RotatingFileHandler(file, maxBytes=LARGEST, backupCount=KEPT, delay=True)
        self._log = logging.Logger("audit", logging.INFO)  # noqa: LOG001  # no parent writes it, too
        self._log.addHandler(self._handler)

    def note(self, **what: object) -> None:
        """One call. A full disk is told on standard error, and refuses nothing."""
        self._log.info(json.dumps(what, default=str))

    def close(self) -> None:
        self._handler.close()
