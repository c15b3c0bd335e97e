"""What a dead run has left on a cluster is taken away by the next one; the cluster is a fake."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from support.kubernetes_target.cluster import Cluster, Manifest
from support.kubernetes_target.labels import CLOSED_BY
from support.kubernetes_target.manifests import closing
from support.kubernetes_target.run import OWNER, sweep


def namespace(name: str, *, old: bool) -> Any:
    made = datetime.now(UTC) - timedelta(hours=old)
    return SimpleNamespace(
        metadata=SimpleNamespace(name=name, creation_timestamp=made), status=SimpleNamespace(phase="Active")
    )


def node(name: str, *, closed_by: str | None) -> Any:
    annotations = {CLOSED_BY: closed_by} if closed_by else None
    return SimpleNamespace(
        metadata=SimpleNamespace(name=name, annotations=annotations),
        spec=SimpleNamespace(unschedulable=None if name == "open" else True),
    )


class FakeCluster:
    """Without leases: a run is dead when its namespace is old."""

    def __init__(self, *, rights: bool = True) -> None:
        self._rights = rights
        self.there = [namespace("dead", old=True), namespace("living", old=False)]
        self.patched: list[Manifest] = []
        self.deleted: list[str] = []

    def namespaces(self, selector: str) -> list[Any]:
        if selector == OWNER:
            return self.there
        return [one for one in self.there if selector.endswith(f"={one.metadata.name}")]

    def lease(self, namespace: str, name: str) -> None:
        return None

    def may(self, verb: str, resource: str) -> bool:
        return self._rights

    def nodes(self) -> list[Any]:
        owners = {"a": "dead", "b": "living", "c": None, "d": "deleted-long-ago", "open": "dead"}
        return [node(name, closed_by=owner) for name, owner in owners.items()]

    def patch(self, manifest: Manifest) -> None:
        self.patched.append(manifest)

    def delete_namespace(self, name: str, *, grace: int) -> None:
        self.deleted.append(name)


@pytest.mark.parametrize(("rights", "opened"), [(True, ["a", "d"]), (False, [])])
def test_what_dead_runs_have_left_is_taken_away_and_nothing_else(rights: bool, opened: list[str]) -> None:
    cluster = FakeCluster(rights=rights)
    done = sweep(cast(Cluster, cluster))
    assert done == ["deleted the namespace dead and its own", *(f"let pods onto {name} again" for name in opened)]
    assert cluster.deleted == ["dead"]
    assert cluster.patched == [closing(name, by=None) for name in [*opened, "open"] if rights]


def test_a_node_says_who_has_closed_it_for_as_long_as_it_is() -> None:
    closed, opened = closing("a", by="run-1"), closing("a", by=None)
    assert (closed["spec"], closed["metadata"]["annotations"]) == ({"unschedulable": True}, {CLOSED_BY: "run-1"})
    assert (opened["spec"], opened["metadata"]["annotations"]) == ({"unschedulable": None}, {CLOSED_BY: None})
