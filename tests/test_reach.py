"""How pods are reached: by their addresses, or over connections that somebody else makes."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import httpx
import pytest

from support.errors import DeploymentError
from support.kubernetes_target import reach as module
from support.kubernetes_target.reach import Reach, answers
from support.waiting import eventually
from tests.serving import Exchange, HttpServer


class Speaks(HttpServer):
    """Answers with its own name; to who asks for more it goes on for ever."""

    async def answer(self, exchange: Exchange) -> None:
        await exchange.start(200, "text/plain")
        await exchange.say(b"frontend-0")
        if exchange.target == "/more":
            await asyncio.Event().wait()
        await exchange.end()


class FakeCluster:
    """Forwards every connection to one server; None: to nobody."""

    def __init__(self, url: str | None) -> None:
        self._url = httpx.URL(url) if url else None
        self.asked: list[tuple[str, str, int]] = []

    def forward(self, namespace: str, pod: str, port: int) -> socket.socket:
        self.asked.append((namespace, pod, port))
        if self._url is None:
            raise DeploymentError("there is no such pod")
        return socket.create_connection((self._url.host, self._url.port))


def out_of_reach(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> Reach:
    monkeypatch.setattr(module, "answers", lambda address, port: False)
    reach = Reach(cluster, "ns")
    reach.try_out("10.0.0.1", 8000)
    return reach


def test_an_address_that_answers_is_taken_as_it_is() -> None:
    with Speaks() as url:
        host, port = httpx.URL(url).host, httpx.URL(url).port
        assert port
        reach = Reach(FakeCluster(None), "ns")  # type: ignore[arg-type]  # a fake
        reach.try_out(host, port)
        assert reach.at("frontend-0", host, port) == f"{host}:{port}"


def test_a_port_that_is_closed_is_in_reach() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert answers("127.0.0.1", port)


def test_what_is_out_of_reach_is_forwarded_each_connection_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    with Speaks() as url:
        cluster = FakeCluster(url)
        reach = out_of_reach(cluster, monkeypatch)
        address = reach.at("frontend-0", "10.0.0.1", 8000)
        assert reach.at("frontend-0", "10.0.0.2", 8000) == address
        for _ in range(2):
            assert httpx.get(f"http://{address}/", trust_env=False).text == "frontend-0"
        assert cluster.asked == [("ns", "frontend-0", 8000)] * 2
        reach.close()


def test_a_client_that_leaves_is_seen_to_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Speaks()
    with server as url:
        reach = out_of_reach(FakeCluster(url), monkeypatch)
        address = reach.at("frontend-0", "10.0.0.1", 8000)
        with httpx.stream("GET", f"http://{address}/more", headers={"x-request-id": "one"}, trust_env=False) as answer:
            assert next(answer.iter_raw()) == b"frontend-0"
        eventually(lambda: server.disconnects == ["one"], within=5, describe="the server sees that the client left")
        reach.close()


def test_a_pod_that_is_not_there_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    reach = out_of_reach(FakeCluster(None), monkeypatch)
    address = reach.at("frontend-0", "10.0.0.1", 8000)
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://{address}/", trust_env=False)
    reach.close()
