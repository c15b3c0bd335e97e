"""KServe's protocol: what goes over the wire, and clients that have their answers, are refused, or leave."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from hamcrest import assert_that

from support.departures import reset
from support.errors import UsageError
from support.kserve import MESSAGES, KserveRequest, piece_of, piece_of_stream, request_of
from support.matchers import complete_answer
from support.streams import Piece
from support.waiting import eventually

ID = "11111111-2222-3333-4444-555555555555"
PROMPT = "1 2 3 4 1000"
WHOLE = (
    b"\x0a\x01m\x12\x011\x1a\x02id*&\x0a\x0btext_output\x12\x05BYTES\x1a\x01\x01*\x0dB\x0b 1001 1002 "
    b"*#\x0a\x0dfinish_reason\x12\x05BYTES\x1a\x01\x01*\x08B\x06length"
)
"""A ModelInferResponse as Dynamo 1.4.2 writes it, model_version (2) and all."""


def test_a_request_is_what_the_protocol_says() -> None:
    asked = KserveRequest(ID)
    asked.infer("127.0.0.1:1", "m", PROMPT, stream=True, tokens=16)
    written = request_of(asked.record).SerializeToString()
    assert written == (
        b"\x0a\x01m\x1a\x24" + ID.encode()
        + b"*&\x0a\x0atext_input\x12\x05BYTES\x1a\x01\x01*\x0eB\x0c1 2 3 4 1000"
        + b"*\x16\x0a\x06stream\x12\x04BOOL\x1a\x01\x01*\x03\x0a\x01\x01"
    )  # fmt: skip


def test_an_answer_is_read_whatever_else_it_has() -> None:
    said = MESSAGES["ModelInferResponse"].FromString(WHOLE)
    assert piece_of(said) == Piece(text=" 1001 1002 ", finish_reason="length")
    streamed = MESSAGES["ModelStreamInferResponse"](infer_response=said)
    assert piece_of_stream(streamed) == piece_of(said)


def test_an_answer_without_its_end_has_no_finish_reason() -> None:
    assert piece_of(answer(" 1001", "")) == Piece(text=" 1001")


def test_an_error_in_a_stream_is_one() -> None:
    told = MESSAGES["ModelStreamInferResponse"](error_message="no such input")
    assert piece_of_stream(told) == Piece(error_class="error_event", error="no such input")


def test_an_answer_without_text_is_malformed() -> None:
    assert piece_of(MESSAGES["ModelInferResponse"]()).error_class == "malformed"


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "in one piece"])
def test_a_whole_answer(stream: bool) -> None:
    with FakeKserve() as server:
        asked = ask(server, stream=stream)
        record = asked.finished(within=5)
        assert_that(record, complete_answer(FakeKserve.TOKENS))
        assert len(record.chunks) == (FakeKserve.TOKENS if stream else 1)
        assert server.ids == [asked.request_id]
        asked.cancel()  # too late
        assert asked.cancelled_at is None


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "in one piece"])
def test_a_refusal_is_an_error_with_the_servers_words(stream: bool) -> None:
    def refuse(context: Any) -> None:
        context.abort(grpc.StatusCode.NOT_FOUND, "Model 'm' not found")

    with FakeKserve(midway=refuse) as server:
        record = ask(server, stream=stream).finished(within=5)
    assert (record.error_class, record.error) == ("error_event", "NOT_FOUND: Model 'm' not found")


def test_a_stream_that_just_ends_is_truncated() -> None:
    with FakeKserve(midway=lambda context: None, tokens=2) as server:
        record = ask(server, stream=True).finished(within=5)
    assert (record.status, record.error_class) == ("error", "truncated")
    assert record.error == "the answer ended without a finish reason"


def test_a_server_that_is_not_there_is_an_error() -> None:
    asked = KserveRequest()
    asked.infer("127.0.0.1:1", "m", PROMPT, stream=True, tokens=FakeKserve.TOKENS)
    assert str(asked.finished(within=5).error).startswith("UNAVAILABLE: ")


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "in one piece"])
def test_the_server_sees_who_leaves(stream: bool) -> None:
    held = threading.Event()
    with FakeKserve(midway=lambda context: held.wait(5)) as server:
        asked = ask(server, stream=stream)
        eventually(lambda: server.ids, within=5, describe="the request is there")
        if stream:
            asked.wait_for_tokens(FakeKserve.MIDWAY, within=5)
        asked.cancel()
        assert asked.record.status == "cancelled"
        assert asked.cancelled_at == asked.record.ended_at
        eventually(lambda: server.gone == [asked.request_id], within=2, describe="the server sees that it has left")
        held.set()


def test_what_grpc_does_not_let_a_client_do_is_refused() -> None:
    with FakeKserve() as server:
        asked = ask(server, stream=True)
        with pytest.raises(UsageError, match="can only hang up"):
            asked.cancel(reset)
        with pytest.raises(UsageError, match="cannot stop reading"):
            asked.stop_reading()
        with pytest.raises(UsageError, match="good for one request"):
            asked.infer(server.address, "m", PROMPT, stream=True, tokens=1)
        asked.finished(within=5)


def answer(text: str, finish_reason: str) -> Any:
    outputs = [
        {"name": name, "datatype": "BYTES", "shape": [1], "contents": {"bytes_contents": [value.encode()]}}
        for name, value in (("text_output", text), ("finish_reason", finish_reason))
    ]
    return MESSAGES["ModelInferResponse"](outputs=outputs)


def ask(server: FakeKserve, *, stream: bool) -> KserveRequest:
    asked = KserveRequest()
    asked.infer(server.address, "m", PROMPT, stream=stream, tokens=FakeKserve.TOKENS)
    return asked


class FakeKserve:
    """A gRPC server that answers 1001, 1002, ...; `midway` is called after two of them, and may refuse or wait."""

    TOKENS, MIDWAY = 4, 2

    def __init__(self, *, midway: Callable[[Any], object] = lambda context: None, tokens: int = TOKENS) -> None:
        self.ids: list[str] = []
        self.gone: list[str] = []
        self._midway, self._tokens = midway, tokens
        self._server = grpc.server(ThreadPoolExecutor(max_workers=4))
        request, unary, streamed = (
            MESSAGES[name] for name in ("ModelInferRequest", "ModelInferResponse", "ModelStreamInferResponse")
        )
        methods = {
            "ModelInfer": grpc.unary_unary_rpc_method_handler(self._infer, request.FromString, unary.SerializeToString),
            "ModelStreamInfer": grpc.stream_stream_rpc_method_handler(
                self._stream_infer, request.FromString, streamed.SerializeToString
            ),
        }
        handler = grpc.method_handlers_generic_handler("inference.GRPCInferenceService", methods)
        self._server.add_generic_rpc_handlers((handler,))
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    def __enter__(self) -> FakeKserve:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(grace=None).wait()

    def _infer(self, request: Any, context: Any) -> Any:
        self._meet(request, context)
        self._midway(context)
        return answer("".join(f" {1001 + n}" for n in range(self._tokens)), "length")

    def _stream_infer(self, requests: Iterator[Any], context: Any) -> Iterator[Any]:
        for request in requests:
            self._meet(request, context)
            for number in range(self._tokens):
                if number == self.MIDWAY:
                    self._midway(context)
                said = answer(f" {1001 + number}", "length" if number == self.TOKENS - 1 else "")
                yield MESSAGES["ModelStreamInferResponse"](infer_response=said)

    def _meet(self, request: Any, context: Any) -> None:
        self.ids.append(request.id)
        context.add_callback(lambda: None if context.code() else self.gone.append(request.id))
