"""Requests of a client to a frontend, each with a connection of its own that can be closed at any moment.

Names and parameters are those of Dynamo's testing guide (`CancellableRequest`, `send_completion_request`,
`send_chat_completion_request`); every request, streamed or unary, gives one `support.records.RequestRecord`.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
import uuid
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import httpx

from support.connections import TRANSPORT_ERRORS, SocketOf, classify, connection, network_loop
from support.departures import LISTENS_ON, Departure, hang_up
from support.errors import UsageError
from support.recording import Recording, outcome
from support.records import Api, RequestRecord
from support.streams import EventParser, error_text, read_body, read_event
from support.waiting import scaled

Message = Mapping[str, Any]
"""{"role": ..., "content": ...}"""
Exchange = Callable[[], Coroutine[Any, Any, None]]
"""Sends a request and records what comes of it."""

_SMALL = 4096  # bytes that the kernel keeps for a client that has stopped reading
_CLOSING = 2.0  # seconds that `cancel` waits at most for the file descriptor to go; the connection is closed before


class CancellableRequest:
    """One request, sent once by `send_...`; safe to use from any thread.

    `cancel()` closes its TCP connection, as a client does that leaves. Before it is sent: it never connects. While
    connecting: the attempt ends. Waiting for an answer or in the middle of one: the server sees the connection end.
    After the end, or a second time: nothing.
    """

    def __init__(self, request_id: str | None = None, *, socket_of: SocketOf = socket.socket) -> None:
        """request_id: sent as x-request-id; Dynamo keeps it when it is a UUID. None: a new one.

        socket_of: makes its socket, for a client with a network of its own.
        """
        self.request_id = request_id or str(uuid.uuid4())
        self._recording = Recording(_record(self.request_id, "chat/completions", {"model": "", "max_tokens": 0}, ""))
        self._sending = threading.Lock()
        self._sent = False
        self._task: asyncio.Task[None] | None = None  # this and the sockets belong to the network loop
        self._sockets: list[socket.socket] = []
        self._socket_of = socket_of
        self._reads: asyncio.Event | None = None  # cleared while the client does not read
        self._cancelled_at: float | None = None

    @property
    def record(self) -> RequestRecord:
        """What is known now: a consistent copy."""
        return self._recording.copy()

    @property
    def cancelled_at(self) -> float | None:
        """When `cancel` closed the connection, or gave the request up before there was one (CLOCK_MONOTONIC, seconds).

        None when it was not cancelled, or had ended before.
        """
        return self._cancelled_at

    def wait_for_tokens(self, count: int, *, within: float = 30.0) -> RequestRecord:
        """Return when `count` chunks with text have come.

        AssertionError when the request ends with fewer, NotWithin (an AssertionError too) when `within` scaled
        seconds pass first.
        """
        record = self._recording.wait(
            until=lambda record: len(record.chunks) >= count,
            within=within,
            describe=f"{self} receives {count} tokens",
        )
        if len(record.chunks) < count:
            raise AssertionError(f"{self} ended before it received {count} tokens: {outcome(record)}")
        return record

    def finished(self, *, within: float = 60.0) -> RequestRecord:
        """The record when the request has ended, however it did; NotWithin when it hangs. Does not end it."""
        return self._recording.wait(until=lambda _: False, within=within, describe=f"{self} ends")

    def cancel(self, how: Departure = hang_up) -> None:
        """Close the TCP connection; returns when that is done, for every thread that calls it.

        how: what is done to the connection. After some (`LISTENS_ON`) it is not closed and the request goes on.
        """
        with self._sending:
            if not self._sent:
                self._cancelled_at = self._recording.cancel() or self._cancelled_at
                return
        asyncio.run_coroutine_threadsafe(self._close(how), network_loop()).result()

    def stop_reading(self) -> None:
        """Take nothing more from the connection, and keep it open, until the request is cancelled."""
        asyncio.run_coroutine_threadsafe(self._stop_reading(), network_loop()).result()

    def send(
        self, base_url: str, endpoint: Api, body: Mapping[str, Any], *, prompt: str, timeout: float | None
    ) -> None:
        """Send it, in the background. For bodies that `send_completion_request` and its sister cannot express.

        prompt: what the record says was asked. timeout: scaled seconds of silence after which it ends as `timeout`.
        """
        if not base_url.startswith(("http://", "https://")):
            raise UsageError(f"{base_url!r} is no base URL of a frontend: it must begin with http:// or https://")
        url = f"{base_url.rstrip('/')}/v1/{endpoint}"
        content = json.dumps(body).encode()
        silence = None if timeout is None else scaled(timeout)
        record = _record(self.request_id, endpoint, body, prompt, started=True)
        self._begin(record, lambda: self._exchange(url, content, silence))

    def _begin(self, record: RequestRecord, exchange: Exchange) -> None:
        """What is asked is known; the exchange itself runs on the network loop."""
        with self._sending:
            if self._sent:
                raise UsageError(f"{self} was sent before: a CancellableRequest is good for one request")
            self._sent = True
            self._recording.begin(record)
            if not self._recording.over:
                network_loop().call_soon_threadsafe(self._start, exchange)

    def __str__(self) -> str:
        return f"request {self.request_id[:8]}"

    # From here on: on the network loop.

    def _start(self, exchange: Exchange) -> None:
        self._task = asyncio.get_running_loop().create_task(exchange())
        self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        bug = None if task.cancelled() else task.exception()
        if bug:
            self._recording.break_off(bug)

    async def _close(self, how: Departure) -> None:
        if not self._recording.over:
            for each in self._sockets:
                how(each)
            if how in LISTENS_ON:
                return
            self._cancelled_at = self._recording.cancel()
        if self._task and not self._task.done():
            if self._cancelled_at:
                self._task.cancel()
            await asyncio.wait([self._task], timeout=_CLOSING)

    async def _stop_reading(self) -> None:
        if self._reads:
            self._reads.clear()
        for each in self._sockets:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL)

    async def _exchange(self, url: str, content: bytes, silence: float | None) -> None:
        headers = {
            "content-type": "application/json",
            "accept-encoding": "identity",
            "x-request-id": self.request_id,
        }
        try:
            self._reads = asyncio.Event()
            self._reads.set()
            async with connection(silence=silence, opened=self._sockets.append, socket_of=self._socket_of) as client:
                try:
                    async with client.stream("POST", url, content=content, headers=headers) as response:
                        self._recording.headers(response.status_code)
                        await self._read(response)
                finally:
                    for each in self._sockets:
                        hang_up(each)
        except TRANSPORT_ERRORS as error:
            self._recording.fail(*classify(error))
        finally:
            for each in self._sockets:
                each.close()

    async def _read(self, response: httpx.Response) -> None:
        recording = self._recording
        if response.status_code != httpx.codes.OK:
            body = (await response.aread()).decode(errors="replace")
            recording.fail("http_status", f"{response.status_code}: {error_text(body)}")
        elif "text/event-stream" in response.headers.get("content-type", ""):
            parser = EventParser()
            async for data in response.aiter_raw():
                recording.take([read_event(event) for event in parser.feed(data)])
                if self._reads:
                    await self._reads.wait()
            recording.complete()
        else:
            body = (await response.aread()).decode(errors="replace")
            recording.take([read_body(body)])
            recording.complete()


def send_completion_request(
    base_url: str,
    model: str,
    prompt: str,
    max_tokens: int = 100,
    *,
    stream: bool = False,
    cancellable_request: CancellableRequest | None = None,
    request_id: str | None = None,
    timeout: float | None = None,
    extra: Mapping[str, Any] | None = None,
) -> CancellableRequest:
    """Send a prompt to /v1/completions and return at once; `finished()` of what is returned gives the record.

    cancellable_request: send this one (it may be cancelled already), instead of a new one.
    request_id: for x-request-id, a UUID; None: a new one. Not together with cancellable_request.
    timeout: seconds (scaled) without a byte after which it ends as `timeout`; None: never.
    extra: more fields of the body, or other values for those that are set here.
    """
    body = {"model": model, "prompt": prompt, "max_tokens": max_tokens, **_streaming(stream), **(extra or {})}
    request = _chosen(cancellable_request, request_id)
    request.send(base_url, "completions", body, prompt=prompt, timeout=timeout)
    return request


def send_chat_completion_request(
    base_url: str,
    model: str,
    messages: Sequence[Message] | str,
    max_tokens: int = 100,
    *,
    stream: bool = False,
    cancellable_request: CancellableRequest | None = None,
    request_id: str | None = None,
    timeout: float | None = None,
    extra: Mapping[str, Any] | None = None,
) -> CancellableRequest:
    """Send messages, or one message of the user, to /v1/chat/completions; the rest as `send_completion_request`."""
    said = [{"role": "user", "content": messages}] if isinstance(messages, str) else list(messages)
    body = {"model": model, "messages": said, "max_tokens": max_tokens, **_streaming(stream), **(extra or {})}
    prompt = " ".join(str(message.get("content", "")) for message in said)
    request = _chosen(cancellable_request, request_id)
    request.send(base_url, "chat/completions", body, prompt=prompt, timeout=timeout)
    return request


def spawn_long_running(
    base_url: str,
    model: str,
    count: int,
    *,
    max_tokens: int = 2000,
    prompts: Sequence[str] = ("1",),
    timeout: float | None = None,
    extra: Mapping[str, Any] | None = None,
) -> list[CancellableRequest]:
    """Start `count` streamed chats at once, each with a connection of its own. prompts: used in turn."""
    return [
        send_chat_completion_request(
            base_url, model, prompts[index % len(prompts)], max_tokens, stream=True, timeout=timeout, extra=extra
        )
        for index in range(count)
    ]


def _streaming(stream: bool) -> dict[str, Any]:
    return {"stream": True, "stream_options": {"include_usage": True}} if stream else {"stream": False}


def _chosen(given: CancellableRequest | None, request_id: str | None) -> CancellableRequest:
    if given and request_id:
        raise UsageError("say request_id where the CancellableRequest is made: it has one already")
    return given or CancellableRequest(request_id)


def _record(
    request_id: str, endpoint: Api, body: Mapping[str, Any], prompt: str, *, started: bool = False
) -> RequestRecord:
    return RequestRecord(
        request_id=request_id,
        endpoint=endpoint,
        stream=bool(body.get("stream")),
        model=str(body["model"]),
        max_tokens=int(body["max_tokens" if "max_tokens" in body else "max_output_tokens"]),
        prompt=prompt,
        started_at=time.monotonic() if started else 0.0,
        started_wall=time.time() if started else 0.0,
    )
