"""A request record while it is being written: one thread writes, any thread reads a consistent copy or waits."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Sequence

from support.records import Chunk, ErrorClass, RequestRecord, Status
from support.streams import Piece
from support.waiting import eventually

_LOOK = 0.1  # seconds after which a waiting reader looks at its deadline; what it waits for wakes it at once


class Recording:
    """The first end that is recorded counts: whatever comes later changes nothing."""

    def __init__(self, record: RequestRecord) -> None:
        self._record = record
        self._changed = threading.Condition()
        self._trouble: tuple[ErrorClass, str] | None = None
        self._bug: BaseException | None = None

    @property
    def over(self) -> bool:
        return self._record.status != "running"

    def copy(self) -> RequestRecord:
        """What is known now; later changes do not show in it."""
        with self._changed:
            return dataclasses.replace(self._record, chunks=list(self._record.chunks))

    def begin(self, record: RequestRecord) -> None:
        """What is asked is known, and goes out now. A record that was cancelled before stays cancelled."""
        with self._changed:
            if self.over:
                record = dataclasses.replace(record, status=self._record.status, ended_at=record.started_at)
            self._record = record

    def headers(self, http_status: int) -> None:
        """The head of the answer has come."""
        with self._changed:
            self._record.http_status = http_status
            self._record.headers_at = time.monotonic()

    def take(self, pieces: Sequence[Piece]) -> None:
        """Pieces of the answer that came together, just now."""
        at = time.monotonic()
        with self._changed:
            if not self.over:
                for piece in pieces:
                    self._take(piece, at)
            self._changed.notify_all()

    def complete(self) -> None:
        """The answer's body has ended as HTTP says it does; whether the answer is whole is judged here."""
        record = self._record
        missing = [] if record.finish_reason else ["a finish reason"]
        if record.stream and not record.done_mark:
            missing.append("[DONE]")
        if self._trouble:
            self._end("error", *self._trouble)
        elif missing:
            self._end("error", "truncated", f"the answer ended without {' and without '.join(missing)}")
        else:
            self._end("completed")

    def fail(self, error_class: ErrorClass, words: str) -> None:
        """It ended in an error; one that the stream itself carried before goes first."""
        self._end("error", *(self._trouble or (error_class, words)))

    def cancel(self) -> float | None:
        """It was given up: the time of that, or None when it had ended before."""
        return self._end("cancelled")

    def break_off(self, bug: BaseException) -> None:
        """Our own code failed: whoever waits gets that exception."""
        self._bug = bug
        self._end("error")

    def wait(self, *, until: Callable[[RequestRecord], bool], within: float, describe: str) -> RequestRecord:
        """The copy when `until` first holds or the request has ended, whichever is first.

        NotWithin when neither comes within so many (scaled) seconds. `until` is called with the record itself.
        """

        def look() -> bool:
            with self._changed:
                return self._changed.wait_for(lambda: self.over or until(self._record), timeout=_LOOK)

        eventually(look, within=within, describe=describe, interval=0, last_seen=lambda: outcome(self.copy()))
        if self._bug:
            raise self._bug
        return self.copy()

    def _take(self, piece: Piece, at: float) -> None:
        record = self._record
        if piece.text:
            if record.first_token_at is None:
                record.first_token_at = at
            record.chunks.append(Chunk(at=at, text=piece.text))
        if piece.finish_reason is not None:
            record.finish_reason = piece.finish_reason
        if piece.usage is not None:
            record.usage = piece.usage
        record.done_mark = record.done_mark or piece.done
        if piece.error_class and not self._trouble:
            self._trouble = piece.error_class, piece.error or "(no text)"

    def _end(self, status: Status, error_class: ErrorClass | None = None, words: str | None = None) -> float | None:
        with self._changed:
            if self.over:
                return None
            record = self._record
            record.ended_at = time.monotonic()
            record.error_class, record.error = error_class, words
            record.status = status
            self._changed.notify_all()
            return record.ended_at


def outcome(record: RequestRecord) -> str:
    """How a request stands, in a clause: "error (reset: connection lost) after 1.24 s and 57 tokens"."""
    tokens = "1 token" if len(record.chunks) == 1 else f"{len(record.chunks)} tokens"
    why = f" ({record.error_class}: {record.error})" if record.error_class else ""
    if record.ended_at is not None:
        return f"{record.status}{why} after {record.ended_at - record.started_at:.2f} s and {tokens}"
    if not record.started_at:
        return "not sent yet"
    now = time.monotonic()
    last = f", the last one {now - record.chunks[-1].at:.2f} s ago" if record.chunks else ""
    answered = "" if record.headers_at else ", no answer yet"
    return f"running for {now - record.started_at:.2f} s: {tokens}{last}{answered}"
