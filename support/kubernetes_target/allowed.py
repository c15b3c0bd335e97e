"""What the cluster of the current context allows, for `./specs doctor`. Nothing is changed there."""

from __future__ import annotations

from typing import NamedTuple

from support.errors import SpecsError
from support.kubernetes_target.cluster import Cluster


class Right(NamedTuple):
    """To do something with a kind of object."""

    verb: str
    resource: str
    group: str = ""
    subresource: str = ""

    def __str__(self) -> str:
        return f"{self.verb} {'/'.join(filter(None, (self.resource, self.subresource)))}"


NEEDED = (
    *(Right(verb, "namespaces") for verb in ("create", "list", "watch", "delete")),
    *(Right(verb, "pods") for verb in ("get", "list", "watch", "deletecollection")),
    *(Right(verb, "configmaps") for verb in ("create", "patch")),
    Right("create", "services"),
    Right("create", "serviceaccounts"),
    Right("list", "events"),
    Right("list", "nodes"),
    Right("get", "pods", subresource="log"),
    *(Right(verb, "pods", subresource="exec") for verb in ("get", "create")),
    *(Right(verb, "statefulsets", "apps") for verb in ("create", "patch")),
    Right("create", "jobs", "batch"),
    *(Right(verb, "leases", "coordination.k8s.io") for verb in ("create", "get", "patch")),
    *(Right("create", resource, "rbac.authorization.k8s.io") for resource in ("roles", "rolebindings")),
)
"""Rights that a run uses. Each is of all namespaces: those that it makes have no names before."""


def looked_at() -> tuple[str, list[Right]]:
    """What the cluster is, in words, and the rights that are missing. SpecsError when it cannot be asked."""
    cluster = Cluster()
    missing = [
        one for one in NEEDED if not cluster.may(one.verb, one.resource, group=one.group, subresource=one.subresource)
    ]
    seen = f"{cluster.context}: Kubernetes {cluster.version()}"
    if Right("list", "nodes") not in missing:
        nodes = cluster.nodes()
        gpus = sum(int(node.status.capacity.get("nvidia.com/gpu", 0)) for node in nodes)
        seen += f", {len(nodes)} nodes, {gpus} GPUs"
    return seen, missing


def told() -> tuple[bool, str, str]:
    """Whether a run can be there, what was seen, and what to do about it."""
    try:
        seen, missing = looked_at()
    except SpecsError as error:
        return False, str(error), "mend that, or set KUBECONFIG to a cluster that can be reached"
    if missing:
        return False, f"{seen}; it may not {', '.join(map(str, missing))}", "ask for these rights in all namespaces"
    return True, f"{seen}; it may do all that a run needs", ""
