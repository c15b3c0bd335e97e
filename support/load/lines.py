"""What a load leaves on disk: one line of JSON per request, schema 2.

Times are seconds since the epoch, on one clock that never goes back; durations are milliseconds where the name says so.

| column | meaning |
|---|---|
| schema | 2 |
| load, shard | name of the load, and which of its processes sent it |
| client, turn | who asked, and the how manieth time: 0, 1, 2, ... without a hole |
| request_id | as sent in x-request-id |
| endpoint, stream, model, prompt_tokens, max_tokens | what was asked for |
| due | when it should have been sent: by the schedule (open loop), or when its client was free |
| start, headers, first_token, end | when it was sent; the head, the first token of the answer came; it was over |
| status | completed, error, cancelled |
| http_status, error_class, error | as in `support.records`; the server's or the transport's words |
| finish_reason, done_mark | how the answer says that it is whole |
| tokens | chunks with text that came; of a unary answer its words |
| usage_prompt, usage_completion | as the server counts |
| gaps_ms | between one chunk and the next |
| last_gap_ms | from the last chunk to the end |
| lost, repeated, stray | tokens that lack, came twice, or do not belong there; null where nobody knows |
| text | the answer, only where it is not what it should be |
| leaves_after | tokens after which its client was to hang up ("cancelled", at `end`); null: it was to stay |
| worker | who generated it, where the answer says so (ask by `extra={"nvext": {"extra_fields": ["worker_id"]}}`) |
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from support.load.counting import judge
from support.load.exchange import Answer
from support.load.plan import SCHEMA


def line(
    answer: Answer,
    *,
    load: str,
    shard: int,
    client: int,
    turn: int,
    due: float,
    prompt: Sequence[str],
    offset: float,
    continuity: bool,
) -> bytes:
    """One request's line. due: on CLOCK_MONOTONIC, as the record's times; offset: to seconds since the epoch."""
    record = answer.record
    times = answer.times
    words = answer.text.split()
    end = record.ended_at or record.started_at
    told: dict[str, Any] = {
        "schema": SCHEMA,
        "load": load,
        "shard": shard,
        "client": client,
        "turn": turn,
        "request_id": record.request_id,
        "endpoint": record.endpoint,
        "stream": record.stream,
        "model": record.model,
        "prompt_tokens": len(prompt),
        "max_tokens": record.max_tokens,
        "due": due + offset,
        "start": record.started_at + offset,
        "headers": _shifted(record.headers_at, offset),
        "first_token": _shifted(record.first_token_at, offset),
        "end": end + offset,
        "status": record.status,
        "http_status": record.http_status,
        "error_class": record.error_class,
        "error": record.error,
        "finish_reason": record.finish_reason,
        "done_mark": record.done_mark,
        "tokens": len(times) if record.stream else len(words),
        "usage_prompt": record.usage.prompt_tokens if record.usage else None,
        "usage_completion": record.usage.completion_tokens if record.usage else None,
        "gaps_ms": [round(gap * 1000, 3) for gap in answer.gaps],
        "last_gap_ms": round((end - times[-1]) * 1000, 3) if times else None,
        **_judged(words, prompt, record.max_tokens, whole=record.status == "completed", known=continuity),
        "leaves_after": answer.leaves_after,
        "worker": answer.worker,
    }
    return orjson.dumps(told) + b"\n"


def _judged(words: list[str], prompt: Sequence[str], tokens: int, *, whole: bool, known: bool) -> dict[str, Any]:
    if not known:
        return {"lost": None, "repeated": None, "stray": None, "text": None}
    judgement = judge(words, prompt, tokens, whole=whole)
    return judgement._asdict() | {"text": " ".join(words) if any(judgement) else None}


def _shifted(at: float | None, offset: float) -> float | None:
    return None if at is None else at + offset


class Lines:
    """A file that lines are added to: what was written stays, whatever kills the process."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._waiting: list[bytes] = []

    def add(self, one: bytes) -> None:
        """Keep it for the next `flush`."""
        self._waiting.append(one)

    def flush(self) -> None:
        """Write whole lines, in one call to the kernel as far as it takes them."""
        data, self._waiting = b"".join(self._waiting), []
        while data:
            data = data[os.write(self._file, data) :]

    def close(self) -> None:
        self.flush()
        os.close(self._file)
