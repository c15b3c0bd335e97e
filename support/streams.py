"""What an OpenAI-like server answers, byte by byte: server-sent events, and what each says about the answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from support.records import ErrorClass, Usage

_BOM = b"\xef\xbb\xbf"
_SHOWN = 300  # characters of a server's words that a record keeps


class Event(NamedTuple):
    """One server-sent event. name: "" when the server gave none. comments: its lines that began with a colon."""

    name: str
    data: str
    comments: str


class EventParser:
    """Bytes to events, however they are cut: https://html.spec.whatwg.org/multipage/server-sent-events.html, 9.2.6.

    Beyond the specification an event without data is given too when it has a name: Dynamo puts the text of an
    `event: error` into a comment. An event that the end of the stream cuts off is none.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._after_cr = False
        self._begun = False
        self._name = ""
        self._data: list[str] = []
        self._comments: list[str] = []

    @property
    def pending(self) -> bool:
        """An event has begun and is not whole yet."""
        return bool(self._rest or self._name or self._data or self._comments or self._after_cr)

    def feed(self, data: bytes) -> list[Event]:
        """The events that these bytes complete."""
        if self._after_cr and data:
            data = data.removeprefix(b"\n")
            self._after_cr = False
        if not data:
            return []
        lines = (self._rest + data).splitlines(keepends=True)
        self._rest = b"" if lines and lines[-1].endswith((b"\n", b"\r")) else lines.pop() if lines else b""
        self._after_cr = bool(lines) and not self._rest and lines[-1].endswith(b"\r")
        events = (self._line(line.rstrip(b"\r\n")) for line in lines)
        return [event for event in events if event is not None]

    def _line(self, line: bytes) -> Event | None:
        if not self._begun:
            self._begun = True
            line = line.removeprefix(_BOM)
        if not line:
            return self._dispatch()
        name, _, raw = line.partition(b":")
        value = raw.removeprefix(b" ").decode(errors="replace")
        if name == b"data":
            self._data.append(value)
        elif name == b"event":
            self._name = value
        elif not name:
            self._comments.append(value)
        return None

    def _dispatch(self) -> Event | None:
        event = Event(self._name, "\n".join(self._data), "\n".join(self._comments))
        given = bool(self._data or self._name)
        self._name, self._data, self._comments = "", [], []
        return event if given else None


@dataclass(slots=True)
class Piece:
    """What one event, or one unary body, says about an answer; fields it does not speak of are empty."""

    text: str = ""
    finish_reason: str | None = None
    usage: Usage | None = None
    done: bool = False
    error_class: ErrorClass | None = None
    error: str | None = None


_NOTHING = Piece()
_DONE = Piece(done=True)


def read_event(event: Event) -> Piece:
    """One event of a stream. Those whose names nobody knows (Dynamo's annotations) say nothing."""
    if event.name == "error":
        return Piece(error_class="error_event", error=error_text(event.data or event.comments))
    if event.name in NAMED:
        return read_body(event.data, read=NAMED[event.name])
    if event.name not in ("", "message"):
        return _NOTHING
    if event.data == "[DONE]":
        return _DONE
    return read_body(event.data)


def read_body(body: str, *, read: Callable[[dict[str, Any]], Piece] | None = None) -> Piece:
    """One JSON object: a whole unary answer or the data of one event. read: what it says, where that is not plain."""
    try:
        data = json.loads(body)
    except ValueError as error:
        return Piece(error_class="malformed", error=f"not JSON ({error}): {body[:_SHOWN]}")
    if not isinstance(data, dict):
        return Piece(error_class="malformed", error=f"not a JSON object: {body[:_SHOWN]}")
    if data.get("error") is not None:
        return Piece(error_class="error_event", error=error_text(body))
    try:
        return (read or UNARY.get(str(data.get("object") or data.get("type")), read_answer))(data)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        return Piece(error_class="malformed", error=f"not an answer ({type(error).__name__} {error}): {body[:_SHOWN]}")


def error_text(body: str) -> str:
    """The words of a server's error: `error.message`, `error`, `message` or `detail` of JSON, else the body itself."""
    try:
        data: Any = json.loads(body)
    except ValueError:
        data = body
    for key in ("error", "message", "detail"):
        if isinstance(data, dict) and data.get(key):
            data = data[key]
    words = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    return words.strip()[:_SHOWN] or "(no text)"


def read_answer(data: dict[str, Any]) -> Piece:
    """What one object of an answer says. An error of Python's where it is not of the API's form.

    KeyError, TypeError, AttributeError or IndexError; also for one that carries an error instead of an answer.
    """
    if data.get("error") is not None:
        raise KeyError("error")
    piece = Piece()
    if data.get("usage") is not None:
        piece.usage = _usage(data["usage"])
    choices = data["choices"]
    if not choices:
        return piece
    choice = choices[0]
    piece.finish_reason = choice.get("finish_reason")
    if "text" in choice:
        piece.text = choice["text"] or ""
    else:
        said = choice.get("delta") or choice.get("message") or {}
        piece.text = (said.get("reasoning_content") or "") + (said.get("content") or "")
    return piece


def _usage(data: dict[str, Any]) -> Usage:
    return Usage(
        prompt_tokens=int(data["prompt_tokens"]),
        completion_tokens=int(data.get("completion_tokens") or 0),
        total_tokens=int(data.get("total_tokens") or 0),
    )


# OpenAI's responses and Anthropic's messages: events have names, and answers other fields.

_REASONS = {"max_tokens": "length", "max_output_tokens": "length", "end_turn": "stop"}


def _text(data: dict[str, Any]) -> Piece:
    delta = data["delta"]
    return Piece(text=delta if isinstance(delta, str) else delta.get("text") or "")


def _response(data: dict[str, Any]) -> Piece:
    response = data.get("response") or data
    said = [part["text"] for item in response["output"] for part in item.get("content") or []]
    reason = (response.get("incomplete_details") or {}).get("reason") or "stop"
    usage = response.get("usage")
    return Piece(
        text="" if "response" in data else "".join(said),
        finish_reason=_REASONS.get(reason, reason),
        usage=_usage_of(usage) if usage else None,
        done=True,
    )


def _message(data: dict[str, Any]) -> Piece:
    reason = data["delta"]["stop_reason"] if "delta" in data else data["stop_reason"]
    said = "".join(part.get("text") or "" for part in data.get("content") or [])
    return Piece(text=said, finish_reason=_REASONS.get(reason, reason), usage=_usage_of(data["usage"]))


def _usage_of(data: dict[str, Any]) -> Usage:
    prompt, completion = int(data["input_tokens"]), int(data["output_tokens"])
    return Usage(prompt_tokens=prompt, completion_tokens=completion, total_tokens=prompt + completion)


NAMED: dict[str, Callable[[dict[str, Any]], Piece]] = {
    "response.output_text.delta": _text,
    "response.completed": _response,
    "response.incomplete": _response,
    "content_block_delta": _text,
    "message_delta": _message,
    "message_stop": lambda data: _DONE,
}
"""Events of a stream that say something, by their names."""
UNARY: dict[str, Callable[[dict[str, Any]], Piece]] = {"response": _response, "message": _message}
"""Whole answers, by what they call themselves."""
