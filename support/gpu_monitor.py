"""The kernel's log as a GPU monitor reads it: NVSentinel's, by way of journald."""

from __future__ import annotations

import os
import re
from contextlib import suppress

from support.errors import Unavailable

_LOG = "/dev/kmsg"
_KERNEL = 0
"""Facility of what the kernel itself writes; journald leaves its lines as they are."""
_IDENTIFIER = re.compile(r"^[^\s:\[]+(?:\[\d+\])?:\s*")
"""What journald takes off a line that a program wrote: a first word that ends in a colon."""
_XID = re.compile(r"NVRM: Xid \(PCI:[0-9a-fA-F:.]+\): (\d+),")
"""What NVSentinel looks for in a line."""
_LONGEST = 8192


class GpuMonitor:
    """Reads what is written from now on. Unavailable for who may not read the kernel's log."""

    def __init__(self) -> None:
        try:
            self._log = os.open(_LOG, os.O_RDONLY | os.O_NONBLOCK)
        except OSError as failure:
            raise Unavailable(f"the kernel's log cannot be read ({failure.strerror}): run as root") from failure
        os.lseek(self._log, 0, os.SEEK_END)
        self._lines: list[str] = []

    def expect_xid(self, code: int) -> str:
        """The line that tells of this XID."""
        with suppress(BlockingIOError):
            while True:
                self._lines.append(_as_passed_on(self._record()))
        told = [line for line in self._lines if (match := _XID.search(line)) and int(match[1]) == code]
        assert told, f"no XID {code} in the {len(self._lines)} lines that were written meanwhile"
        return told[-1]

    def close(self) -> None:
        """Read no more."""
        os.close(self._log)

    def _record(self) -> str:
        while True:
            with suppress(BrokenPipeError):  # what was next has been overwritten: the next read goes on after it
                return os.read(self._log, _LONGEST).decode(errors="replace")


def _as_passed_on(record: str) -> str:
    """The text of a record ("priority and facility, number, microseconds, flags; text"), as journald tells it."""
    head, _, text = record.partition(";")
    line = text.split("\n")[0]
    return line if int(head.split(",")[0]) >> 3 == _KERNEL else _IDENTIFIER.sub("", line)
