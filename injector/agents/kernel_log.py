"""The kernel's log, /dev/kmsg: one record per write, and read back to see that it arrived.

It belongs to the whole machine, and nothing can be taken out of it again.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

LONGEST = 900
"""Bytes of a record's text; the kernel's own limit is 976 with its prefix (LOG_LINE_MAX)."""
_DEVICE = Path("/dev/kmsg")
_SETTING = Path("/proc/sys/kernel/printk_devkmsg")
_RECORD = 8192


@dataclass(frozen=True)
class Record:
    """One of them."""

    number: int
    """Of its place in the log since the machine was started."""
    text: str


class KernelLog:
    """The machine's."""

    def unavailable(self) -> str | None:
        """Why it cannot be written and read here, in one sentence; None when it can."""
        try:
            if _SETTING.read_text().strip() == "off":
                return f"the kernel drops what programs write to its log: set {_SETTING} to 'on' or 'ratelimit'"
            for way in (os.O_WRONLY, os.O_RDONLY | os.O_NONBLOCK):
                os.close(os.open(_DEVICE, way))
        except OSError as failure:
            return f"{_DEVICE} cannot be opened ({failure.strerror}): the agent needs root, the device, and CAP_SYSLOG"
        return None

    def write(self, text: str) -> None:
        """Priority error, in one write. Never creates a file where there is no such device. OSError.

        With a line break at its end, which the kernel takes off: without, nobody can read it until somebody else has
        written the next one (seen on 6.18).
        """
        log = os.open(_DEVICE, os.O_WRONLY)
        try:
            os.write(log, f"<3>{text}\n".encode())
        finally:
            os.close(log)

    def after(self, number: int = -1) -> list[Record]:
        """Every record that is still there and came after that one, in order. OSError."""
        log = os.open(_DEVICE, os.O_RDONLY | os.O_NONBLOCK)
        try:
            return [record for record in iter(lambda: _next(log), None) if record.number > number]
        finally:
            os.close(log)

    def last(self) -> int:
        """Number of the newest record; -1 when there is none."""
        return max((record.number for record in self.after()), default=-1)


def _next(log: int) -> Record | None:
    while True:
        try:
            return parse(os.read(log, _RECORD).decode(errors="replace"))
        except BlockingIOError:
            return None
        except BrokenPipeError:
            continue  # it was overwritten before it was read: the next read goes on with what is there


def parse(text: str) -> Record:
    """A record as the device gives it: "priority,number,microseconds,flags;text", and lines of properties."""
    head, _, rest = text.partition(";")
    return Record(int(head.split(",")[1]), rest.partition("\n")[0])
