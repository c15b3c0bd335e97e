"""How this process reaches a port of a pod: by its address, or by way of the API server where that does not work."""

from __future__ import annotations

import socket
import threading
from contextlib import ExitStack

from support.errors import DeploymentError, Unavailable
from support.kubernetes_target.cluster import Cluster
from support.kubernetes_target.labels import MAY_BE_LOST
from support.relay import Loopback

TRIED_FOR = 3.0
"""Seconds."""


class Reach:
    """Of the pods of one namespace. What is forwarded is so for each connection anew, and survives that pods do not."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster, self._namespace = cluster, namespace
        self._direct: bool | None = None
        self._lock = threading.Lock()
        self._forwards: dict[tuple[str, int], Loopback] = {}
        self._open = ExitStack()

    def try_out(self, address: str, port: int) -> None:
        """Find out which way it is, by a pod that has begun."""
        self._direct = answers(address, port)

    @property
    def direct(self) -> bool:
        """Pods by their addresses."""
        return bool(self._direct)

    def at(self, pod: str, address: str, port: int) -> str:
        """address:port to connect to."""
        if self._direct:
            return f"{address}:{port}"
        with self._lock:
            if (pod, port) not in self._forwards:
                self._forwards[pod, port] = way = Loopback(lambda: self._dialled(pod, port))
                self._open.enter_context(way)
            return self._forwards[pod, port].address

    def service(self, name: str) -> str:
        """address:port of a service at a node, rather one that is not to be lost. Unavailable when none answers."""
        (port,) = self._cluster.service(self._namespace, name).spec.ports
        nodes = sorted(self._cluster.nodes(), key=lambda node: MAY_BE_LOST in (node.metadata.labels or {}))
        found = [one.address for node in nodes for one in node.status.addresses if one.type.endswith("IP")]
        for address in found:
            if answers(address, port.node_port):
                return f"{address}:{port.node_port}"
        raise Unavailable(
            f"no port of a node can be reached from here (tried {', '.join(found)}), so no client can use a service: "
            "run it where the nodes can be reached"
        )

    def close(self) -> None:
        """Carry nothing any more. Safe to call twice."""
        self._open.close()

    def _dialled(self, pod: str, port: int) -> socket.socket:
        try:
            return self._cluster.forward(self._namespace, pod, port)
        except DeploymentError as failure:
            raise ConnectionError(str(failure)) from failure


def answers(address: str, port: int) -> bool:
    """Something at that address does, be it with a refusal."""
    try:
        socket.create_connection((address, port), timeout=TRIED_FOR).close()
    except ConnectionRefusedError:
        return True  # by the pod itself: it is not up yet
    except OSError:
        return False
    return True
