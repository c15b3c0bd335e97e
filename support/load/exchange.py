"""One request of a load, from when it is due to its record."""

from __future__ import annotations

import asyncio
import operator
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

from support.records import ErrorClass, RequestRecord
from support.streams import EventParser, Piece, error_text, read_answer, read_body, read_event

_BEGIN, _END, _DONE = b"data: ", b"\n\n", b"data: [DONE]\n\n"
_BETWEEN = _END + _BEGIN


@dataclass(slots=True)
class Asked:
    """What one request asks for. due: when, seconds on CLOCK_MONOTONIC.

    leaves_after: tokens after which its client hangs up; None: it stays.
    """

    request_id: str
    body: dict[str, Any]
    prompt: str
    due: float
    leaves_after: int | None = None


class Answer:
    """An answer as it comes, of which its record is made: the transport's sink.

    Its chunks are in `times` (CLOCK_MONOTONIC, seconds) and `texts`, not among the record's: a million objects
    that live for a while would stop the process for a moment each time that Python looks for cycles.
    """

    def __init__(self, record: RequestRecord, *, leaves_after: int | None = None) -> None:
        self.record = record
        self.leaves_after = leaves_after
        self.eager = leaves_after is not None
        self.times: list[float] = []
        self.texts: list[str] = []
        self.worker: str | None = None
        self.failure: tuple[ErrorClass, str] | None = None
        """Of the transport, if it failed."""
        self.cancelled = False
        """Its client left, or was told to give it up."""
        self._trouble: tuple[ErrorClass, str] | None = None
        self._events = EventParser()
        self._waiting: tuple[Sequence[float], Sequence[bytes]] = (), ()
        self._body: list[bytes] = []
        self._body_at = 0.0

    @property
    def text(self) -> str:
        return "".join(self.texts)

    @property
    def gaps(self) -> list[float]:
        """Seconds between one chunk and the next."""
        return list(map(operator.sub, self.times[1:], self.times))

    def headed(self, at: float, status: int) -> None:
        self.record.headers_at = at
        self.record.http_status = status

    @property
    def enough(self) -> bool:
        """Its client has what it leaves after, and neither the whole answer nor an error."""
        whole = self.record.done_mark or self._trouble
        return self.leaves_after is not None and len(self.times) >= self.leaves_after and not whole

    def take(self, times: Sequence[float], parts: Sequence[bytes]) -> None:
        """What came last waits for `finish`: when many streams end at once, all their ends are to be stamped first."""
        if self.record.stream and self.record.http_status == httpx.codes.OK:
            self._parse(*self._waiting)
            self._waiting = times, parts
            if self.eager:
                self._parse(*self._waiting)
                self._waiting = (), ()
        else:
            self._body += parts
            self._body_at = times[-1]

    def ended(self, at: float) -> None:
        self.record.ended_at = at

    def finish(self) -> RequestRecord:
        """The record, once nothing more comes; takes a millisecond for 500 chunks."""
        record = self.record
        self._parse(*self._waiting)
        if record.http_status and not (record.stream and record.http_status == httpx.codes.OK):
            self._read_body(record.http_status)
        record.first_token_at = self.times[0] if self.times else None
        if self.cancelled:
            record.status = "cancelled"
        elif trouble := self._trouble or self.failure or self._missing():
            record.status = "error"
            record.error_class, record.error = trouble
        else:
            record.status = "completed"
        return record

    def _read_body(self, status: int) -> None:
        body = b"".join(self._body).decode(errors="replace")
        if status == httpx.codes.OK:
            self._say(read_body(body), self._body_at or time.monotonic())
        else:
            self._trouble = "http_status", f"{status}: {error_text(body)}"

    def _parse(self, times: Sequence[float], parts: Sequence[bytes]) -> None:
        """Together if they are of the usual form; else by halves, so that one that is not costs little."""
        if len(parts) > 1 and parts[-1] == _DONE:
            self._parse(times[:-1], parts[:-1])
            times, parts = times[-1:], parts[-1:]
        if not parts or (not self._events.pending and self._parse_plain(times, parts)):
            return
        if len(parts) == 1:
            for event in self._events.feed(parts[0]):
                self._say(read_event(event), times[0])
            return
        middle = len(parts) // 2
        self._parse(times[:middle], parts[:middle])
        self._parse(times[middle:], parts[middle:])

    def _parse_plain(self, times: Sequence[float], parts: Sequence[bytes]) -> bool:
        """The usual case, at a fraction of the cost: every part is one whole event with one line of JSON."""
        data = b"".join(parts)
        count = len(parts)
        if not data.startswith(_BEGIN) or data.count(b"\n") != 2 * count or data.count(_BETWEEN) != count - 1:
            return False
        if {part[-2:] for part in parts} != {_END}:
            return False
        try:
            objects = orjson.loads(b"[%s]" % data[len(_BEGIN) : -len(_END)].replace(_BETWEEN, b","))
            pieces = [_plain_text(told) or read_answer(told) for told in objects]
        except (ValueError, KeyError, TypeError, AttributeError, IndexError):
            return False
        if len(pieces) != count:
            return False
        for at, piece, told in zip(times, pieces, objects, strict=True):
            if isinstance(piece, str):
                self.times.append(at)
                self.texts.append(piece)
            else:
                self._say(piece, at)
            if "nvext" in told:
                self.worker = _worker(told["nvext"]) or self.worker
        return True

    def _say(self, piece: Piece, at: float) -> None:
        record = self.record
        if piece.text:
            self.times.append(at)
            self.texts.append(piece.text)
        if piece.finish_reason is not None:
            record.finish_reason = piece.finish_reason
        if piece.usage is not None:
            record.usage = piece.usage
        record.done_mark = record.done_mark or piece.done
        if piece.error_class and not self._trouble:
            self._trouble = piece.error_class, piece.error or "(no text)"

    def _missing(self) -> tuple[ErrorClass, str] | None:
        """What an answer lacks that its HTTP says is whole."""
        record = self.record
        missing = [] if record.finish_reason else ["a finish reason"]
        if record.stream and not record.done_mark:
            missing.append("[DONE]")
        if not missing and not self.texts:
            missing.append("a token")
        return ("truncated", f"the answer ended without {' and without '.join(missing)}") if missing else None


def _plain_text(told: Any) -> str | None:
    """The text of an event that says nothing else; None for any other."""
    (choice,) = told["choices"] or (None,)
    if choice is None or choice.get("finish_reason") is not None or told.get("usage") or told.get("error"):
        return None
    text = choice["text"] if "text" in choice else choice["delta"].get("content")
    return text if text and not choice.get("delta", choice).get("reasoning_content") else None


async def exchange(client: httpx.AsyncClient, url: httpx.URL, asked: Asked, *, deadline: float | None) -> Answer:
    """Send it and wait for its end, however it ends; it is over at the deadline (seconds after it was due).

    A client that leaves closes its connection as soon as it has read enough. Then, and when the task is cancelled, the
    answer so far is given all the same. Its record is still to be finished.
    """
    answer = Answer(_record(asked, url), leaves_after=asked.leaves_after)
    try:
        async with asyncio.timeout_at(None if deadline is None else _loop_time(asked.due + deadline)):
            response = await client.send(_request(url, asked, answer), stream=True)
            try:
                await response.aread()
                if answer.enough and answer.record.ended_at is None:
                    answer.cancelled, answer.record.ended_at = True, time.monotonic()
            finally:
                await response.aclose()
                del response.stream  # it holds the response: a cycle (see `transport._Exchange.close`)
    except TimeoutError:
        answer.failure = "timeout", f"not ended {deadline:g} s after it was due"
    except httpx.ConnectError as error:
        answer.failure = "connect", str(error)
    except httpx.RemoteProtocolError as error:
        answer.failure = "malformed", str(error)
    except httpx.HTTPError as error:
        answer.failure = "reset", str(error)
    except asyncio.CancelledError:
        answer.cancelled = True
    answer.record.ended_at = answer.record.ended_at or time.monotonic()
    return answer


def _request(url: httpx.URL, asked: Asked, answer: Answer) -> httpx.Request:
    """Built by hand: what a client of httpx does for it costs as much as all the rest of a short request."""
    headers = {"content-type": "application/json", "accept-encoding": "identity", "x-request-id": asked.request_id}
    return httpx.Request("POST", url, headers=headers, content=orjson.dumps(asked.body), extensions={"sink": answer})


def _record(asked: Asked, url: httpx.URL) -> RequestRecord:
    return RequestRecord(
        request_id=asked.request_id,
        endpoint=url.path.partition("/v1/")[2],
        stream=bool(asked.body.get("stream")),
        model=str(asked.body["model"]),
        max_tokens=int(asked.body["max_tokens"]),
        prompt=asked.prompt,
        started_at=time.monotonic(),
    )


def _loop_time(at: float) -> float:
    return asyncio.get_running_loop().time() + at - time.monotonic()


def _worker(nvext: Any) -> str | None:
    told = nvext.get("worker_id") if isinstance(nvext, dict) else None
    if isinstance(told, dict):
        told = told.get("decode_worker_id")
    return None if told is None else str(told)
