"""Time as faults count it: since the machine was started, suspended or not, whatever happens to the wall clock."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Moment:
    """A point in time that means something in one life of the machine only."""

    boot_id: str
    nanoseconds: int
    """Of CLOCK_BOOTTIME."""


class Clock:
    """The kernel's."""

    def now(self) -> Moment:
        return Moment(_BOOT_ID.read_text().strip(), time.clock_gettime_ns(time.CLOCK_BOOTTIME))

    def wall(self) -> datetime:
        """For people only: nothing is decided by it."""
        return datetime.now(UTC)

    def seconds_until(self, moment: Moment) -> float:
        """Negative when it has passed, minus infinity when the machine was started anew since."""
        now = self.now()
        if now.boot_id != moment.boot_id:
            return float("-inf")
        return (moment.nanoseconds - now.nanoseconds) / 1e9

    def after(self, seconds: float) -> Moment:
        now = self.now()
        return Moment(now.boot_id, now.nanoseconds + int(seconds * 1e9))
