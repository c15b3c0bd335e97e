"""What is awaited of a cluster: seen by a watch, also over watches that end early. Its API server is a fake."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.errors import DeploymentError
from support.kubernetes_target.cluster import Cluster
from support.kubernetes_target.pods import container_runs
from tests.test_kubernetes_cluster import CUT_OFF, FakeApiServer, configure, one_sentence, pod, pods, refused

PATH = "/api/v1/namespaces/ns/pods"
LISTS, WATCHES = f"GET {PATH}", f"WATCH {PATH}"
LONG = 30.0
"""Seconds for a wait that is to end long before."""
Answer = tuple[int, Any]


class InTurn(FakeApiServer):
    """Gives each question the next of its answers; the last one stays."""

    def __init__(self, answers: dict[str, list[Answer]]) -> None:
        super().__init__({})
        self.answers = answers

    def said(self, asked: str) -> Answer | None:
        left = self.answers[asked]
        return left.pop(0) if len(left) > 1 else left[0]


@contextmanager
def awaiting(
    folder: Path, monkeypatch: pytest.MonkeyPatch, lists: list[Answer], watches: list[Answer]
) -> Iterator[tuple[Cluster, InTurn]]:
    server = InTurn({LISTS: lists, WATCHES: watches})
    with server as url:
        configure(folder, url, monkeypatch)
        yield Cluster(), server


def events(*there: tuple[str, Any] | str) -> Answer:
    return 200, [one if isinstance(one, str) else {"type": one[0], "object": one[1]} for one in there]


def test_pods_are_awaited_by_watching(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = events(("MODIFIED", pod("a")), ("DELETED", pod("b")), ("MODIFIED", pod("a", running=True)))
    with awaiting(tmp_path, monkeypatch, [pods(pod("a"), pod("b"))], [changes]) as (cluster, server):
        found = cluster.await_pods("ns", lambda there: container_runs(there.get("a")), within=LONG)
    assert list(found) == ["a"]
    assert server.asked == [LISTS, WATCHES], "it is watched, not asked again and again"


TOO_OLD = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}
EARLY = {"ended": events(), "cut off": events(CUT_OFF), "compacted": events(("ERROR", TOO_OLD))}


@pytest.mark.parametrize("end", EARLY.values(), ids=EARLY)
def test_a_watch_that_ends_early_is_taken_up_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: Answer
) -> None:
    with awaiting(tmp_path, monkeypatch, [pods()], [end, events(("ADDED", pod("late")))]) as (cluster, server):
        found = cluster.await_pods("ns", bool, within=LONG)
    assert list(found) == ["late"]
    assert server.asked == [LISTS, WATCHES] * 2


def test_what_went_while_nobody_watched_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lists = [pods(pod("a"), pod("b")), pods(pod("b"))]
    with awaiting(tmp_path, monkeypatch, lists, [events()]) as (cluster, _):
        assert list(cluster.await_pods("ns", lambda there: "a" not in there, within=LONG)) == ["b"]


def test_who_is_there_when_the_time_is_up_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with awaiting(tmp_path, monkeypatch, [pods(pod("a"))], [events()]) as (cluster, server):
        assert list(cluster.await_pods("ns", lambda there: len(there) == 2, within=0.5)) == ["a"]
    assert len(server.asked) < 10, "a server in trouble is not besieged"


def test_no_time_is_one_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with awaiting(tmp_path, monkeypatch, [pods()], [events()]) as (cluster, server):
        assert cluster.await_pods("ns", bool, within=0) == {}
    assert server.asked == [LISTS]


def test_a_watch_that_is_refused_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = 'pods is forbidden: User "joe" cannot watch resource "pods" in API group "" in the namespace "ns"'
    with (
        awaiting(tmp_path, monkeypatch, [pods()], [refused(said)]) as (cluster, _),
        pytest.raises(DeploymentError, match="may not watch pods in") as told,
    ):
        cluster.await_pods("ns", bool, within=LONG)
    one_sentence(told.value)


def test_a_server_that_went_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = 200, [CUT_OFF]
    with (
        awaiting(tmp_path, monkeypatch, [pods(), gone], [events(CUT_OFF)]) as (cluster, _),
        pytest.raises(DeploymentError, match="of the context mine does not answer") as told,
    ):
        cluster.await_pods("ns", bool, within=LONG)
    one_sentence(told.value)
