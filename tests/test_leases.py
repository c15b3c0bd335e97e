"""Leases: what etcd must be seen to say before a part of Dynamo counts as one that keeps its lease."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from support import leases
from support.leases import Leases


class Etcd:
    """What its members say, look by look: {lease: (term, seconds left)}."""

    def __init__(self, *looks: dict[int, tuple[int, int]] | None) -> None:
        self.looks = iter(looks)
        self.now: dict[int, tuple[int, int]] | None = None

    def next(self) -> None:
        self.now = next(self.looks)

    def statuses(self) -> list[str]:
        return [] if self.now is None else ["etcd-0"]

    def left(self, lease: int) -> tuple[int, int]:
        if self.now is None:
            raise ConnectionError("it is silent")
        return self.now[lease]

    def close(self) -> None:
        pass


@pytest.fixture(autouse=True)
def _at_any_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "_EVERY", 0.0)


def seen(etcd: Etcd, deployment: Any, monkeypatch: pytest.MonkeyPatch, looks: int) -> Iterator[bool]:
    monkeypatch.setattr("support.etcd.EtcdCluster", lambda deployment: etcd)
    monkeypatch.setattr("support.etcd.Line", lambda member: etcd)
    watched = Leases(deployment)
    for _ in range(looks):
        etcd.next()
        yield watched.renewed()


def part(lease: int | None, *, running: bool = True) -> Any:
    return SimpleNamespace(instance_id=lambda: lease, running=running)


def deployed(*parts: Any, restart: str = "never") -> Any:
    return SimpleNamespace(of_role=lambda *roles: list(parts), spec=SimpleNamespace(restart=restart))


@pytest.mark.parametrize(
    ("looks", "renewed"),
    [
        ([{1: (2, 5), 2: (2, 5)}, {1: (2, 9), 2: (2, 5)}, {1: (2, 8), 2: (2, 9)}], [False, False, True]),
        ([{1: (2, 9), 2: (2, 9)}, {1: (2, 8), 2: (2, 8)}], [False, False]),
        ([{1: (2, 5), 2: (2, 5)}, {1: (3, 10), 2: (3, 10)}, {1: (3, 9), 2: (3, 9)}], [False, False, False]),
        ([{1: (2, 5), 2: (2, 5)}, {1: (2, 9), 2: (2, -1)}], [False, False]),
        ([{1: (2, 5), 2: (2, 5)}, None, {1: (2, 9), 2: (2, 9)}], [False, False, True]),
    ],
    ids=["each at its time", "not yet", "by an election", "one ran out", "after a silence"],
)
def test_each_must_be_seen_to_be_renewed(
    looks: list[dict[int, tuple[int, int]] | None], renewed: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [*seen(Etcd(*looks), deployed(part(1), part(2)), monkeypatch, len(looks))] == renewed


def test_who_has_ended_for_good_keeps_none(monkeypatch: pytest.MonkeyPatch) -> None:
    etcd = Etcd(None)
    assert [*seen(etcd, deployed(part(1, running=False)), monkeypatch, 1)] == [True]


@pytest.mark.parametrize("one", [part(None), part(1, running=False)], ids=["tells none", "is to be started again"])
def test_who_has_none_yet_is_waited_for(one: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [*seen(Etcd({1: (2, 5)}, {1: (2, 9)}), deployed(one, restart="always"), monkeypatch, 2)] == [False, False]
