"""What a record says of every way in which a request can end, and what goes over the wire."""

from __future__ import annotations

import json
import socket
import uuid

import pytest

from support.errors import NotWithin, UsageError
from support.records import RequestRecord, Usage
from support.requests import (
    CancellableRequest,
    send_chat_completion_request,
    send_completion_request,
    spawn_long_running,
)
from tests.fake_sockets import END, SSE_HEAD, FakeConversation, FakeServer, chunk, plain_answer

USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}


def delta(text: str | None = None, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"


def usage_event() -> bytes:
    return b"data: " + json.dumps({"choices": [], "usage": USAGE}).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"
WHOLE = (delta("6"), delta(" 7"), delta(finish="length"), usage_event(), DONE)


def streamed(*events: bytes, end: bytes = END) -> RequestRecord:
    """The record of a streamed chat that is answered with these events."""

    def answer(client: FakeConversation) -> None:
        client.hear()
        client.say(SSE_HEAD, *(chunk(event) for event in events), end)

    with FakeServer(answer) as server:
        return send_chat_completion_request(server.url, "m", "5", stream=True).finished(within=5)


def unary(answer: bytes) -> RequestRecord:
    """The record of a unary completion that is answered with these bytes."""

    def script(client: FakeConversation) -> None:
        client.hear()
        client.say(answer)

    with FakeServer(script) as server:
        return send_completion_request(server.url, "m", "5", 2).finished(within=5)


def test_a_whole_stream_is_completed() -> None:
    record = streamed(*WHOLE)
    assert (record.status, record.error_class, record.error) == ("completed", None, None)
    assert [chunk.text for chunk in record.chunks] == ["6", " 7"]
    assert (record.finish_reason, record.done_mark, record.http_status) == ("length", True, 200)
    assert record.usage == Usage(prompt_tokens=1, completion_tokens=2, total_tokens=3)


def test_times_are_in_order() -> None:
    record = streamed(*WHOLE)
    times = [record.started_at, record.headers_at, record.first_token_at, record.chunks[-1].at, record.ended_at]
    known = [time for time in times if time]
    assert len(known) == len(times)
    assert known == sorted(known)


def test_reasoning_counts_as_text() -> None:
    thought = b'data: {"choices": [{"delta": {"reasoning_content": "hm"}}]}\n\n'
    assert streamed(thought, *WHOLE).text == "hm6 7"


def test_the_request_says_what_was_asked() -> None:
    heard: list[FakeConversation] = []

    def script(client: FakeConversation) -> None:
        client.hear()
        heard.append(client)
        client.say(SSE_HEAD, *map(chunk, WHOLE), END)

    with FakeServer(script) as server:
        request = send_chat_completion_request(
            server.url + "/",
            "m",
            [{"role": "system", "content": "count"}, {"role": "user", "content": "5"}],
            7,
            stream=True,
            extra={"nvext": {"ignore_eos": True}},
        )
        record = request.finished(within=5)
    body = json.loads(heard[0].body)
    assert heard[0].head.startswith("post /v1/chat/completions http/1.1\r\n")
    assert f"x-request-id: {record.request_id}" in heard[0].head
    assert uuid.UUID(record.request_id).version == 4
    assert body["messages"][0] == {"role": "system", "content": "count"}
    assert body["stream_options"] == {"include_usage": True}
    assert (body["max_tokens"], body["nvext"]) == (7, {"ignore_eos": True})
    assert (record.prompt, record.max_tokens, record.endpoint) == ("count 5", 7, "chat/completions")


def test_a_unary_answer_is_one_chunk() -> None:
    body = {"choices": [{"text": "6 7", "finish_reason": "length"}], "usage": USAGE}
    record = unary(plain_answer(200, json.dumps(body).encode()))
    assert (record.status, record.text, len(record.chunks), record.stream) == ("completed", "6 7", 1, False)
    assert record.usage == Usage(prompt_tokens=1, completion_tokens=2, total_tokens=3)


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ((delta("6"), DONE), "the answer ended without a finish reason"),
        ((delta("6"), delta(finish="length")), "the answer ended without [DONE]"),
        ((delta("6"),), "the answer ended without a finish reason and without [DONE]"),
        ((), "the answer ended without a finish reason and without [DONE]"),
        ((delta("6"), delta(finish="stop"), DONE.rstrip()), "the answer ended without [DONE]"),
    ],
)
def test_a_stream_that_ends_silently_is_truncated(events: tuple[bytes, ...], words: str) -> None:
    record = streamed(*events)
    assert (record.status, record.error_class, record.error) == ("error", "truncated", words)


@pytest.mark.parametrize(
    "event",
    [
        b'data: {"error": {"message": "no worker", "type": "internal", "code": 500}}\n\n',
        b'event: error\ndata: {"message": "no worker"}\n\n',
        b"event: error\n: no worker\n\n",
        b"event: error\ndata: no worker\n\n",
    ],
)
def test_an_error_in_the_stream_is_an_error_event(event: bytes) -> None:
    record = streamed(delta("6"), event, DONE)
    assert (record.status, record.error_class, record.error) == ("error", "error_event", "no worker")
    assert record.done_mark


def test_other_named_events_say_nothing() -> None:
    assert streamed(b'event: llm_metrics\ndata: {"x": 1}\n\n', b": a comment\n\n", *WHOLE).status == "completed"


@pytest.mark.parametrize("data", [b"{", b"[]", b'{"choices": 3}', b'{"choices": [{"delta": 3}]}', b'{"x": 1}', b"\xff"])
def test_what_is_not_the_api_is_malformed(data: bytes) -> None:
    record = streamed(delta("6"), b"data: " + data + b"\n\n", delta(finish="length"), DONE)
    assert (record.status, record.error_class) == ("error", "malformed")


def test_a_page_instead_of_a_stream_is_malformed() -> None:
    def script(client: FakeConversation) -> None:
        client.hear()
        client.say(plain_answer(200, b"<html>", "text/html"))

    with FakeServer(script) as server:
        record = send_completion_request(server.url, "m", "5", stream=True).finished(within=5)
    assert record.error_class == "malformed"
    assert "<html>" in str(record.error)


def test_no_http_at_all_is_malformed() -> None:
    assert unary(b"SSH-2.0-fake\r\n\r\n").error_class == "malformed"


@pytest.mark.parametrize("status", [400, 404, 500, 503, 529])
def test_an_http_error_is_told_in_the_servers_words(status: int) -> None:
    record = unary(plain_answer(status, b'{"error": {"message": "too busy"}}'))
    assert (record.status, record.error_class, record.http_status) == ("error", "http_status", status)
    assert record.error == f"{status}: too busy"


def test_an_http_error_without_words_is_told() -> None:
    assert unary(plain_answer(503, b"")).error == "503: (no text)"


def test_a_lost_connection_in_a_stream_is_a_reset() -> None:
    record = streamed(delta("6"), end=b"")
    assert (record.status, record.error_class, record.text) == ("error", "reset", "6")


def test_a_reset_connection_is_a_reset() -> None:
    def script(client: FakeConversation) -> None:
        client.hear()
        client.say(SSE_HEAD, chunk(delta("6")))
        assert request.wait_for_tokens(1)
        client.reset()

    request = CancellableRequest()
    with FakeServer(script) as server:
        send_completion_request(server.url, "m", "5", stream=True, cancellable_request=request)
        assert request.finished(within=5).error_class == "reset"


def test_a_connection_closed_before_the_answer_is_a_reset() -> None:
    assert unary(b"").error_class == "reset"


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    record = send_completion_request(f"http://127.0.0.1:{port}", "m", "5").finished(within=5)
    assert (record.status, record.error_class) == ("error", "connect")


def test_an_unknown_host() -> None:
    record = send_completion_request("http://nobody.invalid", "m", "5").finished(within=30)
    assert record.error_class == "connect"
    assert "nobody.invalid" in str(record.error)


def test_silence_is_a_timeout_when_one_was_asked_for() -> None:
    def script(client: FakeConversation) -> float:
        client.hear()
        client.say(SSE_HEAD, chunk(delta("6")))
        return client.wait_until_gone()

    with FakeServer(script) as server:
        request = send_completion_request(server.url, "m", "5", stream=True, timeout=0.2)
        assert request.finished(within=5).error_class == "timeout"
        assert server.result(), "the server did not see the connection end"


def test_a_hanging_request_is_not_ended_by_waiting_for_it() -> None:
    def script(client: FakeConversation) -> float:
        client.hear()
        client.say(SSE_HEAD, chunk(delta("6")))
        return client.wait_until_gone()

    with FakeServer(script) as server:
        request = send_completion_request(server.url, "m", "5", stream=True)
        request.wait_for_tokens(1)
        with pytest.raises(NotWithin, match=r"ends: not within 0.1 s; last seen: running for .* s: 1 token, the last"):
            request.finished(within=0.1)
        with pytest.raises(NotWithin, match=r"receives 2 tokens: not within 0\.1 s"):
            request.wait_for_tokens(2, within=0.1)
        assert request.record.status == "running"
        request.cancel()


def test_waiting_for_tokens_of_a_request_that_ends_says_how_it_ended() -> None:
    def script(client: FakeConversation) -> None:
        client.hear()
        client.say(SSE_HEAD, *map(chunk, WHOLE), END)

    with FakeServer(script) as server:
        request = send_completion_request(server.url, "m", "5", stream=True)
        with pytest.raises(AssertionError, match=r"ended before it received 3 tokens: completed after .* and 2 tokens"):
            request.wait_for_tokens(3)
        assert len(request.wait_for_tokens(2).chunks) == 2


def test_a_record_is_a_copy() -> None:
    def script(client: FakeConversation) -> None:
        client.hear()
        client.say(SSE_HEAD, chunk(delta("6")))
        request.wait_for_tokens(1)
        copies.append(request.record)
        client.say(*map(chunk, WHOLE), END)

    copies: list[RequestRecord] = []
    request = CancellableRequest()
    with FakeServer(script) as server:
        send_completion_request(server.url, "m", "5", stream=True, cancellable_request=request)
        assert request.finished(within=5).text == "66 7"
    assert (copies[0].text, copies[0].status) == ("6", "running")


def test_many_streams_at_once_have_their_own_connections_and_ids() -> None:
    def script(client: FakeConversation) -> None:
        client.hear()
        client.say(SSE_HEAD, *map(chunk, WHOLE), END)

    with FakeServer(script) as server:
        records = [request.finished(within=10) for request in spawn_long_running(server.url, "m", 30)]
        assert server.connections == 30
    assert {record.status for record in records} == {"completed"}
    assert len({record.request_id for record in records}) == 30


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    assert streamed(*WHOLE).status == "completed"


def test_misuse_is_told() -> None:
    with pytest.raises(UsageError, match="must begin with http"):
        send_completion_request("localhost:8000", "m", "5")
    with pytest.raises(UsageError, match="has one already"):
        send_completion_request("http://x", "m", "5", cancellable_request=CancellableRequest(), request_id="y")
    assert streamed(*WHOLE).status == "completed"
    request = CancellableRequest()
    request.cancel()
    send_completion_request("http://127.0.0.1:1", "m", "5", cancellable_request=request)
    with pytest.raises(UsageError, match="good for one request"):
        send_completion_request("http://127.0.0.1:1", "m", "5", cancellable_request=request)
