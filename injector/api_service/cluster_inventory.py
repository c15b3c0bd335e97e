"""Who is there on a cluster of Kubernetes, by its API server: pods of namespaces that have opted in, and agents.

What is opted in, and what a pod is, is said by labels (`injector.labels`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ssl import SSLContext
from typing import Any

from injector.api_service.agents import AgentClient
from injector.api_service.cluster import Cluster, Object
from injector.errors import Unknown
from injector.inventory import Identity, Pod, Role
from injector.labels import ALLOWED, KEPT, PROTECTED, role_of
from injector.places import AGENT_PORT

OPTED_IN = f"{ALLOWED}=true"
AGENTS = "app.kubernetes.io/name=gpu-fault-injector"
"""Labels of the agents' pods, which are in the service's own namespace."""
OF_THE_CLUSTER = ("kube-system", "kube-public", "kube-node-lease")
"""Namespaces that cannot opt in, and so is the service's own."""
PORTS: Mapping[Role, int] = {"frontend": 8000, "etcd": 2379, "nats": 4222}
_SYSTEM_PORT = 9090


class ClusterInventory:
    """Of the cluster that the service is in."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def pods(self, namespace: str | None = None) -> list[Pod]:
        if namespace is None:
            opted_in = self._cluster.namespaces(OPTED_IN)
        elif (one := self._cluster.namespace_of(namespace)) is not None:
            opted_in = [one]
        else:
            raise Unknown(f"there is no namespace {namespace!r}: choose another", field="namespace")
        nodes = {each["metadata"]["name"] for each in self._cluster.nodes(OPTED_IN)}
        found = [pod for each in opted_in for pod in self._pods_of(each, nodes)]
        return sorted(found, key=lambda pod: (pod.name, pod.belongs_to))

    def _pods_of(self, namespace: Object, nodes: set[str]) -> Iterator[Pod]:
        name = namespace["metadata"]["name"]
        own = name in (*OF_THE_CLUSTER, self._cluster.namespace)
        allowed = _labels(namespace).get(ALLOWED) == "true"
        for told in self._cluster.pods(name):
            if told["status"].get("podIP") and told["spec"].get("nodeName"):
                yield _pod(told, own=own, allowed=allowed, node_allowed=told["spec"]["nodeName"] in nodes)


class ClusterAgents(Mapping[str, AgentClient]):
    """Of the nodes that have opted in: pods of a DaemonSet, which come and go. KeyError for a node without one now."""

    def __init__(self, cluster: Cluster, token: str, tls: SSLContext | None = None) -> None:
        self._cluster, self._token, self._tls = cluster, token, tls
        self._known: dict[tuple[str, str], AgentClient] = {}

    def __getitem__(self, node: str) -> AgentClient:
        address = self._addresses()[node]
        if (node, address) not in self._known:
            self._known[node, address] = AgentClient(
                node, f"http://{_host(address)}:{AGENT_PORT}", self._token, self._tls
            )
        return self._known[node, address]

    def __iter__(self) -> Iterator[str]:
        return iter(each["metadata"]["name"] for each in self._cluster.nodes(OPTED_IN))

    def __len__(self) -> int:
        return len(self._cluster.nodes(OPTED_IN))

    def close(self) -> None:
        """End the connections of all."""
        for client in self._known.values():
            client.close()

    def _addresses(self) -> dict[str, str]:
        return {
            pod["spec"]["nodeName"]: pod["status"]["podIP"]
            for pod in self._cluster.pods(self._cluster.namespace, AGENTS)
            if pod["status"].get("podIP") and "deletionTimestamp" not in pod["metadata"]
        }


def _pod(told: Object, *, own: bool, allowed: bool, node_allowed: bool) -> Pod:
    metadata, spec, status, labels = told["metadata"], told["spec"], told["status"], _labels(told)
    containers = [each for each in status.get("containerStatuses", []) if "running" in each.get("state", {})]
    role = role_of(labels)
    node = spec["nodeName"]
    protected = labels.get(PROTECTED)
    if own:
        protected = f"{metadata['namespace']} is a namespace of the cluster itself, or of this service"
    elif spec.get("hostNetwork"):
        protected = "it is on its node's own network"
    elif allowed and not node_allowed:
        protected = f"its node {node} has not opted in: label it {OPTED_IN}"
    return Pod(
        name=metadata["name"],
        role=role,
        address=status["podIP"],
        port=_port(spec, role),
        node=node,
        protected=protected,
        faults_allowed=allowed,
        belongs_to=metadata["namespace"],
        identity=Identity(
            uid=metadata["uid"],
            containers=tuple(each["containerID"].rpartition("/")[2] for each in containers),
            kept=labels.get(KEPT) == "true",
        ),
        ready=_ready(told),
    )


def _ready(told: Object) -> bool:
    conditions = {each["type"]: each["status"] for each in told["status"].get("conditions", [])}
    return conditions.get("Ready") == "True" and "deletionTimestamp" not in told["metadata"]


def _port(spec: Object, role: Role) -> int:
    """One on which it listens, as far as its manifest tells."""
    for container in spec["containers"]:
        for port in container.get("ports", []):
            if port.get("protocol", "TCP") == "TCP":
                return int(port["containerPort"])
        asked = container.get("readinessProbe", {}).get("httpGet", {}).get("port")
        if isinstance(asked, int):
            return asked
    return PORTS.get(role, _SYSTEM_PORT)


def _labels(told: Object) -> dict[str, Any]:
    labels: dict[str, Any] = told["metadata"].get("labels") or {}
    return labels


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address
