"""The one wait of probes: until there is no reason left to wait, or the deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_never = threading.Event()


def awaited(lacking: Callable[[], str | None], *, within: float, interval: float = 0.002) -> str | None:
    """Ask `lacking` what is missing until it answers None; what it answered last at the deadline. Seconds."""
    deadline = time.monotonic() + within
    while (missing := lacking()) is not None and time.monotonic() < deadline:
        _never.wait(interval)
    return missing
