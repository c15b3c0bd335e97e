"""What runs on a cluster beside what we bring: Dynamo's operator, NVSentinel, who enforces a NetworkPolicy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from support.kubernetes_target.cluster import Cluster

_ENFORCERS = (
    "k8s-app in (calico-node, canal, cilium, kube-router, weave-net)",
    "app in (antrea, ovnkube-node)",
)
"""Labels of the pods of network plugins that are known to enforce NetworkPolicy."""
GROUP, GRAPHS = "nvidia.com", "dynamographdeployments"
"""Of the objects that Dynamo's operator makes deployments of."""
_SENTINEL = ("nvsentinel.", "k8saas.nvidia.com/ManagedByNVSentinel")
"""How labels begin that NVSentinel puts on nodes."""
_SENTINEL_CONDITION = "SysLogsXIDError"
"""The one that it keeps of a node's kernel log."""


def offers(cluster: Cluster, nodes: Sequence[Any]) -> list[str]:
    """In words. nodes: V1Node. DeploymentError when the cluster does not answer, or refuses."""
    enforcer = next(filter(None, (cluster.pod_with(labels) for labels in _ENFORCERS)), None)
    enforced = f"enforced by {enforcer.metadata.name}" if enforcer else "enforced by nobody who is known"
    return [
        f"NetworkPolicy {enforced}",
        f"{'a' if cluster.serves(GROUP, 'v1alpha1', GRAPHS) else 'no'} Dynamo operator",
        "NVSentinel on its nodes" if any(map(_watched, nodes)) else "no NVSentinel",
    ]


def _watched(node: Any) -> bool:
    labelled = any(label.startswith(_SENTINEL) for label in node.metadata.labels or {})
    return labelled or any(one.type == _SENTINEL_CONDITION for one in node.status.conditions or [])
