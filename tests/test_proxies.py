"""Each negative control breaks its one promise, and the matchers see just that."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest
from hamcrest import assert_that, is_
from hamcrest.core.string_description import StringDescription

from support.matchers import RecordMatcher, complete_answer, no_gap_longer_than, was_cancelled
from support.records import RequestRecord
from support.requests import CancellableRequest, send_chat_completion_request, send_completion_request
from support.waiting import eventually
from tests.fake_frontend import FakeFrontend
from tests.proxies import DelaysOneChunk, DoublesOneChunk, DropsOneChunk, PassesOn, SwallowsTheDisconnect

Proxy = Callable[[str], AbstractContextManager[str]]


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert [thread.name for thread in threading.enumerate() if thread.name == "http-server"] == []


def chat(proxy: Proxy, tokens: int = 20) -> RequestRecord:
    with FakeFrontend() as upstream, proxy(upstream) as url:
        return send_chat_completion_request(url, "m", "5", tokens, stream=True).finished(within=10)


def complaint(matcher: RecordMatcher, record: RequestRecord) -> str:
    assert not matcher.matches(record)
    words = StringDescription()
    matcher.describe_mismatch(record, words)
    return str(words).partition(": ")[2]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("send", [send_chat_completion_request, send_completion_request])
def test_what_is_passed_on_is_complete(send: Callable[..., CancellableRequest], stream: bool) -> None:
    with FakeFrontend() as upstream, PassesOn(upstream) as url:
        record = send(url, "m", "31990", 20, stream=stream).finished(within=10)
    assert_that(record, is_(complete_answer(20)))


def test_a_dropped_chunk_is_a_lost_token() -> None:
    assert complaint(complete_answer(20), chat(DropsOneChunk)) == "lost token 15"


def test_a_doubled_chunk_is_a_repeated_token() -> None:
    assert complaint(complete_answer(20), chat(DoublesOneChunk)) == "repeated token 15"


def test_a_delayed_chunk_is_a_gap() -> None:
    record = chat(lambda upstream: DelaysOneChunk(upstream, seconds=0.5))
    assert_that(record, is_(complete_answer(20)))
    assert "between tokens 9 and 10 ('14')" in complaint(no_gap_longer_than(0.4), record)


@pytest.mark.parametrize("stream", [True, False])
def test_who_leaves_is_gone_for_the_frontend_too(stream: bool) -> None:
    frontend = FakeFrontend(tokens_per_second=20)
    with frontend as upstream, PassesOn(upstream) as url:
        request = send_chat_completion_request(url, "m", "5", 1000, stream=stream)
        eventually(lambda: frontend.begun, within=5, describe="the frontend has the request")
        if stream:
            request.wait_for_tokens(2)
        request.cancel()
        eventually(lambda: frontend.disconnects, within=5, describe="the frontend sees that the client left")
    assert_that(request.finished(), was_cancelled())
    assert frontend.disconnects == [request.request_id]
    assert frontend.ended == []


@pytest.mark.parametrize("stream", [True, False])
def test_a_swallowed_disconnect_is_never_seen(stream: bool) -> None:
    frontend = FakeFrontend(tokens_per_second=200)
    with frontend as upstream, SwallowsTheDisconnect(upstream) as url:
        request = send_chat_completion_request(url, "m", "5", 100, stream=stream)
        eventually(lambda: frontend.begun, within=5, describe="the frontend has the request")
        if stream:
            request.wait_for_tokens(2)
        request.cancel()
        eventually(lambda: frontend.ended, within=10, describe="the frontend answers to the end")
    assert_that(request.finished(), was_cancelled())
    assert frontend.ended == [request.request_id]
    assert frontend.disconnects == []


def test_a_proxy_stops_in_the_middle_of_a_stream() -> None:
    with FakeFrontend(tokens_per_second=20) as upstream:
        with SwallowsTheDisconnect(upstream) as url:
            request = send_chat_completion_request(url, "m", "5", 1000, stream=True)
            request.wait_for_tokens(2)
        assert request.finished(within=5).error_class == "reset"
