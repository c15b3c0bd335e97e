"""What a cluster has beside what we bring, as `doctor` tells."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from support.kubernetes_target.offers import offers


class FakeCluster:
    def __init__(self, *, plugin: str | None = None, operator: bool = False) -> None:
        self._plugin, self._operator = plugin, operator

    def pod_with(self, labels: str) -> Any:
        mine = self._plugin and self._plugin in labels
        return SimpleNamespace(metadata=SimpleNamespace(name=f"{self._plugin}-x7k2p")) if mine else None

    def serves(self, group: str, version: str, resource: str) -> bool:
        assert (group, version, resource) == ("nvidia.com", "v1alpha1", "dynamographdeployments")
        return self._operator


def node(labels: dict[str, str] | None = None, condition: str = "Ready") -> Any:
    return SimpleNamespace(
        metadata=SimpleNamespace(labels=labels), status=SimpleNamespace(conditions=[SimpleNamespace(type=condition)])
    )


def told(cluster: FakeCluster, *nodes: Any) -> list[str]:
    return offers(cluster, nodes)  # type: ignore[arg-type]  # as much of a cluster as is asked


def test_a_bare_cluster() -> None:
    assert told(FakeCluster(), node()) == [
        "NetworkPolicy enforced by nobody who is known",
        "no Dynamo operator",
        "no NVSentinel",
    ]


@pytest.mark.parametrize("plugin", ["calico-node", "cilium", "antrea"])
def test_a_plugin_that_enforces_policies_is_named(plugin: str) -> None:
    assert told(FakeCluster(plugin=plugin))[0] == f"NetworkPolicy enforced by {plugin}-x7k2p"


def test_an_operator() -> None:
    assert told(FakeCluster(operator=True))[1] == "a Dynamo operator"


@pytest.mark.parametrize(
    "watched",
    [node({"nvsentinel.dgxc.nvidia.com/dcgm.version": "4.x"}), node(condition="SysLogsXIDError")],
)
def test_nvsentinel_is_seen_by_what_it_writes_on_nodes(watched: Any) -> None:
    assert told(FakeCluster(), node(), watched)[2] == "NVSentinel on its nodes"
