"""Cancelling closes the TCP connection, whatever the request is doing, and the server sees it."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from support.requests import CancellableRequest, send_chat_completion_request, send_completion_request
from support.waiting import eventually
from tests.fake_sockets import END, SSE_HEAD, FakeConversation, FakeServer, chunk

PROMPTLY = 1.0  # seconds; usual is under a millisecond, but this machine may be busy
TOKEN = b'data: {"choices": [{"delta": {"content": " 6"}}]}\n\n'
LAST = b'data: {"choices": [{"delta": {}, "finish_reason": "length"}]}\n\ndata: [DONE]\n\n'


def silent(client: FakeConversation) -> float:
    client.hear()
    return client.wait_until_gone()


def only_headers(client: FakeConversation) -> float:
    client.hear()
    client.say(SSE_HEAD)
    return client.wait_until_gone()


def some_tokens(client: FakeConversation) -> float:
    client.hear()
    client.say(SSE_HEAD, chunk(TOKEN), chunk(TOKEN))
    return client.wait_until_gone()


def half_an_event(client: FakeConversation) -> float:
    client.hear()
    client.say(SSE_HEAD, chunk(TOKEN), chunk(TOKEN), chunk(TOKEN[:20]))
    return client.wait_until_gone()


def whole(client: FakeConversation) -> None:
    client.hear()
    client.say(SSE_HEAD, chunk(TOKEN), chunk(LAST), END)


def assert_server_saw_it(server: FakeServer, request: CancellableRequest) -> None:
    seen = server.result()
    assert isinstance(seen, float)
    assert request.cancelled_at is not None
    assert abs(seen - request.cancelled_at) < PROMPTLY
    assert request.record.status == "cancelled"
    assert request.record.ended_at == request.cancelled_at


@pytest.fixture(autouse=True)
def no_socket_is_left() -> Iterator[None]:
    """Every socket that a test opened is closed after it, and no garbage collection was needed for that."""
    before = open_sockets()
    yield
    eventually(lambda: open_sockets() <= before, within=2, describe="the sockets of the test are closed")


def open_sockets() -> set[str]:
    """The inodes of this process's sockets."""
    links = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            links.add(str(descriptor.readlink()))
        except FileNotFoundError:  # it was the one of this listing
            continue
    return {link for link in links if link.startswith("socket:")}


def test_before_it_is_sent() -> None:
    request = CancellableRequest()
    request.cancel()
    with FakeServer(whole) as server:
        send_completion_request(server.url, "m", "5", cancellable_request=request)
        record = request.finished(within=2)
        assert (record.status, record.model, record.text) == ("cancelled", "m", "")
        assert server.connections == 0
    assert request.cancelled_at is not None


def test_at_once_after_it_is_sent() -> None:
    with FakeServer(silent) as server:
        for _ in range(50):
            request = send_completion_request(server.url, "m", "5")
            request.cancel()
            assert request.finished(within=2).status == "cancelled"


@contextmanager
def full_backlog() -> Iterator[str]:
    """The URL of a server that takes no further connection: attempts neither succeed nor fail."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        address = listener.getsockname()
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(address)
        yield f"http://127.0.0.1:{address[1]}"


def connecting(url: str) -> int:
    """How many connections to that server are being opened: state SYN_SENT, 02, in /proc/net/tcp."""
    port = f"{int(url.rsplit(':', 1)[1]):04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(1 for row in rows if row[2].endswith(f":{port}") and row[3] == "02")


def test_while_connecting() -> None:
    with full_backlog() as url:
        before = eventually(lambda: connecting(url), within=2, describe="the backlog is full")
        request = send_completion_request(url, "m", "5")
        eventually(lambda: connecting(url) == before + 1, within=2, describe="the request is connecting")
        request.cancel()
        assert connecting(url) == before
        assert request.finished(within=2).status == "cancelled"


def test_while_waiting_for_an_answer() -> None:
    with FakeServer(silent) as server:
        request = send_completion_request(server.url, "m", "5")
        eventually(lambda: server.connections, within=2, describe="the request is connected")
        request.cancel()
        assert_server_saw_it(server, request)
        assert request.record.headers_at is None


def test_while_waiting_for_the_first_token() -> None:
    with FakeServer(only_headers) as server:
        request = send_completion_request(server.url, "m", "5", stream=True)
        eventually(lambda: request.record.headers_at, within=2, describe="the head of the answer is there")
        request.cancel()
        assert_server_saw_it(server, request)


@pytest.mark.parametrize("script", [some_tokens, half_an_event])
def test_in_the_middle_of_a_stream(script: object) -> None:
    assert callable(script)
    with FakeServer(script) as server:
        request = send_chat_completion_request(server.url, "m", "5", stream=True)
        request.wait_for_tokens(2)
        request.cancel()
        assert_server_saw_it(server, request)
        assert request.record.text == " 6 6"


def test_while_the_server_does_not_read_a_long_prompt() -> None:
    def deaf(client: FakeConversation) -> float:
        connected.set()
        assert cancelled.wait(5)
        return client.wait_until_gone()

    connected, cancelled = threading.Event(), threading.Event()
    with FakeServer(deaf, receive_buffer=4096) as server:
        request = send_completion_request(server.url, "m", "5 " * 500_000)
        assert connected.wait(5)
        request.cancel()
        cancelled.set()
        assert_server_saw_it(server, request)


def test_after_the_end_changes_nothing() -> None:
    with FakeServer(whole) as server:
        request = send_chat_completion_request(server.url, "m", "5", stream=True)
        before = request.finished(within=2)
        request.cancel()
    assert before.status == "completed"
    assert request.record == before
    assert request.cancelled_at is None


def test_twice_is_once() -> None:
    with FakeServer(some_tokens) as server:
        request = send_chat_completion_request(server.url, "m", "5", stream=True)
        request.wait_for_tokens(1)
        request.cancel()
        first = request.record, request.cancelled_at
        request.cancel()
        assert (request.record, request.cancelled_at) == first
        assert_server_saw_it(server, request)


def test_from_many_threads_at_once() -> None:
    with FakeServer(some_tokens) as server:
        request = send_chat_completion_request(server.url, "m", "5", stream=True)
        request.wait_for_tokens(1)
        together = threading.Barrier(16)
        seen: list[str] = []

        def leave() -> None:
            together.wait()
            request.cancel()
            seen.append(request.record.status)

        threads = [threading.Thread(target=leave) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(5)
        assert seen == ["cancelled"] * 16
        assert_server_saw_it(server, request)


def test_sending_and_cancelling_at_the_same_moment() -> None:
    with FakeServer(silent) as server:
        for _ in range(50):
            request = CancellableRequest()
            canceller = threading.Thread(target=request.cancel)
            canceller.start()
            send_completion_request(server.url, "m", "5", cancellable_request=request)
            assert request.finished(within=2).status == "cancelled"
            canceller.join(5)


def test_a_process_that_ends_closes_its_requests() -> None:
    program = """
import sys
from support.requests import spawn_long_running
for request in spawn_long_running(sys.argv[1], "m", 3):
    request.wait_for_tokens(2)
"""
    with FakeServer(some_tokens) as server:
        command = [sys.executable, "-W", "error", "-c", program, server.url]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=20, cwd=Path(__file__).parent.parent)
        assert (ended.returncode, ended.stderr) == (0, "")
        assert [isinstance(server.result(), float) for _ in range(3)] == [True] * 3


def test_one_of_many_leaves_the_others_alone() -> None:
    def patient(client: FakeConversation) -> None:
        client.hear()
        client.say(SSE_HEAD, chunk(TOKEN))
        if b'"9"' in client.body:
            client.wait_until_gone()
        assert cancelled.wait(5)
        client.say(chunk(LAST), END)

    cancelled = threading.Event()
    with FakeServer(patient) as server:
        neighbours = [send_completion_request(server.url, "m", "5", stream=True) for _ in range(4)]
        request = send_completion_request(server.url, "m", "9", stream=True)
        for each in [request, *neighbours]:
            each.wait_for_tokens(1)
        request.cancel()
        cancelled.set()
        assert [each.finished(within=5).status for each in neighbours] == ["completed"] * 4
    assert request.record.status == "cancelled"
