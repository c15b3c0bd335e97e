"""Waiting for a line in a log file that somebody else writes."""

from __future__ import annotations

import os
import re
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from support.errors import NotWithin
from support.waiting import eventually

_COLOURS = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])"
)  # ECMA-48: CSI, OSC, others
_SHOWN = 5  # lines that a failed wait shows


def poll_for_pattern(log_file: str | Path, pattern: str, timeout: float = 30.0, interval: float = 0.1) -> re.Match[str]:
    """The first match of the regular expression `pattern` in a line of `log_file`, from its beginning.

    timeout: seconds (scaled) until NotWithin, which shows the last lines. interval: seconds between looks.
    For several waits on one file that must not see a line twice, keep a `LogFollower`.
    """
    with LogFollower(log_file) as log:
        return log.wait_for(pattern, within=timeout, interval=interval)


def plain(text: str) -> str:
    """Without colour codes."""
    return _COLOURS.sub("", text)


class LogFollower:
    """Reads a log as it grows, each byte once, whole lines without colours; bytes that are not UTF-8 become \\ufffd.

    The file may appear later, be renamed with a new one in its place (the rest of the old one is read first), or be
    truncated. Not seen: a second rotation between two looks, and a truncated file that has outgrown its old size by the
    next look.
    """

    def __init__(self, log_file: str | Path, *, from_end: bool = False) -> None:
        """from_end: only what is written from now on."""
        self._path = Path(log_file)
        self._file: BinaryIO | None = None
        self._half = b""
        self._unread: deque[str] = deque()
        self._recent: deque[str] = deque(maxlen=_SHOWN)
        if from_end and self._open():
            assert self._file  # opened just now
            self._file.seek(0, os.SEEK_END)

    def lines(self) -> list[str]:
        """The whole lines that nobody has taken yet."""
        self._read()
        taken = list(self._unread)
        self._unread.clear()
        self._recent.extend(taken)
        return taken

    def wait_for(self, pattern: str, *, within: float, interval: float = 0.1) -> re.Match[str]:
        """The next match in a line; lines after it stay to be taken.

        A last line without its end is looked at only when the time is up: it may be half written until then.
        """
        expression = re.compile(pattern)
        try:
            match = eventually(
                lambda: self._next(expression),
                within=within,
                interval=interval,
                describe=f"{self._path.name} has a line that matches {pattern!r}",
                last_seen=self._seen,
            )
        except NotWithin:
            match = expression.search(_text(self._half))
            if match is None:
                raise
            self._half = b""
        assert match  # `eventually` returns nothing that is false
        return match

    def close(self) -> None:
        """Let the file go; a later look begins it anew."""
        if self._file:
            self._file.close()
        self._file = None

    def __enter__(self) -> LogFollower:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _next(self, expression: re.Pattern[str]) -> re.Match[str] | None:
        self._read()
        while self._unread:
            line = self._unread.popleft()
            self._recent.append(line)
            match = expression.search(line)
            if match:
                return match
        return None

    def _read(self) -> None:
        if self._file is None and not self._open():
            return
        self._take()
        while self._replaced():
            self._take()  # what was written between the last look and the rotation
            self.close()
            self._finish_half()
            if not self._open():
                return
            self._take()

    def _take(self) -> None:
        assert self._file  # opened before
        if os.fstat(self._file.fileno()).st_size < self._file.tell():
            self._file.seek(0)
            self._finish_half()
        *whole, self._half = (self._half + self._file.read()).split(b"\n")
        self._unread.extend(_text(line) for line in whole)

    def _replaced(self) -> bool:
        assert self._file  # opened before
        mine = os.fstat(self._file.fileno())
        try:
            now = self._path.stat()
        except FileNotFoundError:  # renamed, and no new one yet: stay with the old one
            return False
        return (now.st_dev, now.st_ino) != (mine.st_dev, mine.st_ino)

    def _finish_half(self) -> None:
        """The line that was begun will not be ended any more."""
        if self._half:
            self._unread.append(_text(self._half))
        self._half = b""

    def _open(self) -> bool:
        try:
            self._file = self._path.open("rb")
        except FileNotFoundError:
            return False
        return True

    def _seen(self) -> str:
        if self._file is None:
            return f"there is no file {self._path}"
        last = [*self._recent, _text(self._half)] if self._half else list(self._recent)
        return "\n  ".join(["the last lines:", *last[-_SHOWN:]]) if last else "an empty log"


def _text(line: bytes) -> str:
    return plain(line.decode(errors="replace")).rstrip("\r")
