"""What the user of the current context may do on the cluster, and what a run needs. Nothing is changed there."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import yaml

from support.errors import SpecsError, Unavailable
from support.kubernetes_target.cluster import Cluster, Manifest
from support.kubernetes_target.offers import offers

ROLE = Path(__file__).with_name("role.yaml")
"""What a cluster's administrator gives to who runs this."""


class Right(NamedTuple):
    """To do something with a kind of object, in all namespaces."""

    verb: str
    resource: str
    group: str = ""
    subresource: str = ""

    def __str__(self) -> str:
        return f"{self.verb} {'/'.join(filter(None, (self.resource, self.subresource)))}"


OWN, GRAPH, ATTACHED = (f"dynamo-fault-specs{which}" for which in ("", "-graph", "-attached"))
"""Its roles: of a run that makes its deployments, of one that has one made by Dynamo's operator, and of one that is
attached to one."""


def role(name: str) -> Manifest:
    """The one of that name in `ROLE`."""
    (found,) = [one for one in yaml.safe_load_all(ROLE.read_text()) if one["metadata"]["name"] == name]
    return dict(found)


def needed(role_name: str = OWN) -> list[Right]:
    """Rights that a run uses: those of that role of `ROLE`."""
    found = []
    for rule in role(role_name)["rules"]:
        for resource in rule["resources"]:
            kind, _, sub = resource.partition("/")
            found += [Right(verb, kind, rule["apiGroups"][0], sub) for verb in rule["verbs"]]
    return found


def missing(cluster: Cluster, role_name: str = OWN, *, namespace: str | None = None) -> list[Right]:
    """Those that the user has not got in that namespace or, where none is named, in all of them."""
    wanted = needed(role_name)
    with ThreadPoolExecutor(max_workers=8) as asking:
        there = asking.map(
            lambda one: cluster.may(
                one.verb, one.resource, group=one.group, subresource=one.subresource, namespace=namespace
            ),
            wanted,
        )
        return [one for one, has in zip(wanted, there, strict=True) if not has]


def insist(cluster: Cluster, role_name: str = OWN) -> None:
    """Unavailable, naming each, when rights are missing: before anything is made, and not in the middle of it."""
    if lacks := missing(cluster, role_name):
        remedy = _remedy(role_name)
        raise Unavailable(f"the context {cluster.context} may not {_listed(lacks)}: {remedy}, or choose another")


def insist_attached(cluster: Cluster, namespace: str) -> None:
    """The same for a run on a deployment that is there, in that namespace."""
    if lacks := missing(cluster, ATTACHED, namespace=namespace):
        raise Unavailable(f"the context {cluster.context} may not {_listed(lacks)} in {namespace}: {_remedy(ATTACHED)}")


def looked_at() -> tuple[str, list[Right]]:
    """What the cluster is, in words, and the rights that are missing. SpecsError when it cannot be asked."""
    cluster = Cluster()
    lacks = missing(cluster)
    seen = f"{cluster.context}: Kubernetes {cluster.version()}"
    if Right("list", "nodes") not in lacks:
        nodes = cluster.nodes()
        gpus = sum(int(node.status.capacity.get("nvidia.com/gpu", 0)) for node in nodes)
        seen += f", {len(nodes)} nodes, {gpus} GPUs"
        if Right("list", "pods") not in lacks:
            seen += f", {', '.join(offers(cluster, nodes))}"
    return seen, lacks


def told() -> tuple[bool, str, str]:
    """Whether a run can be there, what was seen, and what to do about it."""
    try:
        seen, lacks = looked_at()
    except SpecsError as error:
        return False, str(error), "mend that, or set KUBECONFIG to a cluster that can be reached"
    if lacks:
        return False, f"{seen}; it may not {_listed(lacks)}", _remedy()
    return True, f"{seen}; it may do all that a run needs", ""


def _listed(rights: Sequence[Right]) -> str:
    return ", ".join(map(str, rights))


def _remedy(role_name: str = OWN) -> str:
    return f"let its administrator give you the role {role_name} of support/kubernetes_target/{ROLE.name}"
