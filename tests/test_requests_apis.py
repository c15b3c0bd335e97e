"""Responses and messages: what a client reads of them, as Dynamo 1.4.2 sends them (shortened)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hamcrest import assert_that

from support.matchers import complete_answer
from support.recording import Recording
from support.records import Api, RequestRecord, Usage
from support.streams import EventParser, Piece, read_body, read_event

OUTPUT = [{"type": "message", "content": [{"type": "output_text", "text": " 1001 1002"}]}]
RESPONSE = {
    "object": "response",
    "status": "incomplete",
    "error": None,
    "incomplete_details": {"reason": "max_output_tokens"},
    "output": OUTPUT,
    "usage": {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7},
}
MESSAGE = {
    "type": "message",
    "content": [{"type": "text", "text": " 1001 1002"}],
    "stop_reason": "max_tokens",
    "usage": {"input_tokens": 5, "output_tokens": 2},
}
STREAMS: dict[Api, list[tuple[str, dict[str, Any]]]] = {
    "responses": [
        ("response.created", {"response": RESPONSE | {"status": "in_progress", "output": [], "usage": None}}),
        ("response.content_part.added", {"part": {"type": "output_text", "text": ""}}),
        ("response.output_text.delta", {"delta": " 1001"}),
        ("response.output_text.delta", {"delta": " 1002"}),
        ("response.output_text.done", {"text": " 1001 1002"}),
        ("response.output_item.done", {"item": OUTPUT[0]}),
        ("response.incomplete", {"response": RESPONSE}),
    ],
    "messages": [
        ("message_start", {"message": MESSAGE | {"content": [], "stop_reason": None}}),
        ("content_block_start", {"content_block": {"type": "text", "text": ""}}),
        ("content_block_delta", {"delta": {"type": "text_delta", "text": " 1001"}}),
        ("content_block_delta", {"delta": {"type": "text_delta", "text": " 1002"}}),
        ("content_block_stop", {}),
        ("message_delta", {"delta": {"stop_reason": "max_tokens"}, "usage": MESSAGE["usage"]}),
        ("message_stop", {}),
    ],
}
UNARY: dict[Api, dict[str, Any]] = {"responses": RESPONSE, "messages": MESSAGE}
APIS: list[Api] = ["responses", "messages"]


@pytest.mark.parametrize("api", APIS)
def test_a_stream_is_a_whole_answer(api: Api) -> None:
    record = recorded(api, pieces(STREAMS[api]))
    assert_that(record, complete_answer(2))
    assert len(record.chunks) == 2
    assert record.usage == Usage(prompt_tokens=5, completion_tokens=2, total_tokens=7)


@pytest.mark.parametrize("api", APIS)
def test_an_answer_in_one_piece_is_one(api: Api) -> None:
    record = recorded(api, [read_body(json.dumps(UNARY[api]))], stream=False)
    assert_that(record, complete_answer(2))
    assert len(record.chunks) == 1


@pytest.mark.parametrize("api", APIS)
def test_every_word_counts(api: Api) -> None:
    delta = STREAMS[api][3]
    twice, never = ([each for each in STREAMS[api] for _ in range(n if each is delta else 1)] for n in (2, 0))
    assert faults(recorded(api, pieces(twice))) == "repeated token 1002"
    assert faults(recorded(api, pieces(never))).startswith("the last 1 of 2 tokens are missing")


@pytest.mark.parametrize("api", APIS)
def test_a_stream_without_its_end_is_truncated(api: Api) -> None:
    record = recorded(api, pieces(STREAMS[api][:4]))
    assert (record.status, record.error_class) == ("error", "truncated")


@pytest.mark.parametrize(
    ("reason", "told"), [("end_turn", "stop"), ("stop_sequence", "stop_sequence"), ("max_tokens", "length")]
)
def test_why_a_message_ended(reason: str, told: str) -> None:
    assert read_body(json.dumps(MESSAGE | {"stop_reason": reason})).finish_reason == told


def test_a_response_that_ended_by_itself() -> None:
    assert read_body(json.dumps(RESPONSE | {"incomplete_details": None})).finish_reason == "stop"


def pieces(events: list[tuple[str, dict[str, Any]]]) -> list[Piece]:
    written = "".join(f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n" for name, data in events)
    return [read_event(event) for event in EventParser().feed(written.encode())]


def recorded(api: Api, said: list[Piece], *, stream: bool = True) -> RequestRecord:
    """What a client's record says when these pieces came and the body then ended."""
    record = RequestRecord(request_id="r", endpoint=api, stream=stream, model="m", max_tokens=2, prompt="1000")
    recording = Recording(record)
    recording.take(said)
    recording.complete()
    return recording.copy()


def faults(record: RequestRecord) -> str:
    return "; ".join(complete_answer(2)._faults(record))
