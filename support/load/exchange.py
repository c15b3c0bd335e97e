"""One request of a load, from when it is due to its record."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

from support.records import Chunk, ErrorClass, RequestRecord
from support.streams import EventParser, Piece, error_text, read_answer, read_body, read_event

_PARSE_AT = 256
"""Events that are parsed together while a long stream goes on, so that its bytes do not pile up."""
_BEGIN, _END, _DONE = b"data: ", b"\n\n", b"data: [DONE]\n\n"


@dataclass(slots=True)
class Asked:
    """What one request asks for. due: when, seconds on CLOCK_MONOTONIC."""

    request_id: str
    body: dict[str, Any]
    prompt: str
    due: float


class Answer:
    """Bytes of an answer as they come; what they mean is found out in bulk, later."""

    def __init__(self, record: RequestRecord) -> None:
        self.record = record
        self.worker: str | None = None
        self._times: list[float] = []
        self._parts: list[bytes] = []
        self._events = EventParser()
        self._trouble: tuple[ErrorClass, str] | None = None
        self._chunks = record.chunks

    def take(self, at: float, data: bytes) -> None:
        """The transport's sink."""
        self._times.append(at)
        self._parts.append(data)
        if len(self._parts) >= _PARSE_AT and self.record.stream:
            self._parse()

    def end(self, status: int, failure: tuple[ErrorClass, str] | None, *, cancelled: bool = False) -> RequestRecord:
        """The record, finished. failure: of the transport, if it failed."""
        record = self.record
        record.ended_at = time.monotonic()
        record.http_status = status or None
        if status == httpx.codes.OK and record.stream:
            self._parse()
        elif status:
            self._body(status)
        record.first_token_at = record.chunks[0].at if record.chunks else None
        if cancelled:
            record.status = "cancelled"
        elif trouble := self._trouble or failure or _missing(record):
            record.status = "error"
            record.error_class, record.error = trouble
        else:
            record.status = "completed"
        return record

    def _body(self, status: int) -> None:
        body = b"".join(self._parts).decode(errors="replace")
        if status == httpx.codes.OK:
            self._say(read_body(body), self._times[-1] if self._times else time.monotonic())
        else:
            self._trouble = "http_status", f"{status}: {error_text(body)}"

    def _parse(self) -> None:
        times, parts = self._times, self._parts
        self._times, self._parts = [], []
        if not self._parse_plain(times, parts):
            for at, part in zip(times, parts, strict=True):
                for event in self._events.feed(part):
                    self._say(read_event(event), at)

    def _parse_plain(self, times: Sequence[float], parts: Sequence[bytes]) -> bool:
        """The usual case, at a fraction of the cost: every part is one whole event with one line of JSON."""
        if self._events.pending:
            return False
        done = bool(parts) and parts[-1] == _DONE
        wanted = parts[:-1] if done else parts
        for part in wanted:
            if not (part.startswith(_BEGIN) and part.endswith(_END)) or part.count(b"\n") != 2:
                return False
        try:
            objects = orjson.loads(b"[" + b",".join([part[6:-2] for part in wanted]) + b"]")
            pieces = [_plain_text(told) or read_answer(told) for told in objects]
        except (ValueError, KeyError, TypeError, AttributeError, IndexError):
            return False
        for at, piece, told in zip(times, pieces, objects, strict=False):
            if isinstance(piece, str):
                self._chunks.append(Chunk(at=at, text=piece))
            else:
                self._say(piece, at)
            if "nvext" in told:
                self.worker = _worker(told["nvext"]) or self.worker
        self.record.done_mark = self.record.done_mark or done
        return True

    def _say(self, piece: Piece, at: float) -> None:
        record = self.record
        if piece.text:
            self._chunks.append(Chunk(at=at, text=piece.text))
        if piece.finish_reason is not None:
            record.finish_reason = piece.finish_reason
        if piece.usage is not None:
            record.usage = piece.usage
        record.done_mark = record.done_mark or piece.done
        if piece.error_class and not self._trouble:
            self._trouble = piece.error_class, piece.error or "(no text)"


def _plain_text(told: Any) -> str | None:
    """The text of an event that says nothing else; None for any other."""
    (choice,) = told["choices"] or (None,)
    if choice is None or choice.get("finish_reason") is not None or told.get("usage") or told.get("error"):
        return None
    text = choice["text"] if "text" in choice else choice["delta"].get("content")
    return text if text and not choice.get("delta", choice).get("reasoning_content") else None


async def exchange(client: httpx.AsyncClient, url: str, asked: Asked, *, deadline: float | None) -> Answer:
    """Send it and wait for its end, however it ends; it is over at the deadline (seconds after it was due).

    When the task is cancelled, the record is ended as cancelled and given all the same.
    """
    answer = Answer(_record(asked, url))
    headers = {"content-type": "application/json", "accept-encoding": "identity", "x-request-id": asked.request_id}
    failure: tuple[ErrorClass, str] | None = None
    status, cancelled = 0, False
    try:
        async with asyncio.timeout_at(None if deadline is None else _loop_time(asked.due + deadline)):
            request = client.stream(
                "POST", url, content=orjson.dumps(asked.body), headers=headers, extensions={"sink": answer.take}
            )
            async with request as response:
                status = response.status_code
                answer.record.headers_at = time.monotonic()
                await response.aread()
    except TimeoutError:
        failure = "timeout", f"not ended {deadline:g} s after it was due"
    except httpx.ConnectError as error:
        failure = "connect", str(error)
    except httpx.RemoteProtocolError as error:
        failure = "malformed", str(error)
    except httpx.HTTPError as error:
        failure = "reset", str(error)
    except asyncio.CancelledError:
        cancelled = True
    answer.end(status, failure, cancelled=cancelled)
    return answer


def _record(asked: Asked, url: str) -> RequestRecord:
    return RequestRecord(
        request_id=asked.request_id,
        endpoint=url.partition("/v1/")[2],
        stream=bool(asked.body.get("stream")),
        model=str(asked.body["model"]),
        max_tokens=int(asked.body["max_tokens"]),
        prompt=asked.prompt,
        started_at=time.monotonic(),
    )


def _loop_time(at: float) -> float:
    return asyncio.get_running_loop().time() + at - time.monotonic()


def _missing(record: RequestRecord) -> tuple[ErrorClass, str] | None:
    """What an answer lacks that its HTTP says is whole."""
    missing = [] if record.finish_reason else ["a finish reason"]
    if record.stream and not record.done_mark:
        missing.append("[DONE]")
    if not missing and not record.chunks:
        missing.append("a token")
    return ("truncated", f"the answer ended without {' and without '.join(missing)}") if missing else None


def _worker(nvext: Any) -> str | None:
    told = nvext.get("worker_id") if isinstance(nvext, dict) else None
    if isinstance(told, dict):
        told = told.get("decode_worker_id")
    return None if told is None else str(told)
