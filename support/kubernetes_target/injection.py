"""The fault injection service that is installed on the cluster, for the pods of one deployment."""

from __future__ import annotations

import base64
import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

from injector.agents.partition import Obstruction
from injector.places import SERVICE_PORT
from support.deployment import Component, Partition
from support.errors import DeploymentError, FaultError, Unavailable
from support.injection import Injected, InjectionService
from support.kubernetes_target.cluster import Cluster
from support.kubernetes_target.pods import container_runs
from support.kubernetes_target.reach import answers
from support.kubernetes_target.states import ANSWERS_WITHIN
from support.relay import Loopback
from support.waiting import eventually

HOME = "dynamo-faults"
"""Namespace in which docs/injection.md installs it."""
_SERVICE, _AGENTS = "app.kubernetes.io/name=fault-injection-service", "app.kubernetes.io/name=gpu-fault-injector"
_TOKENS, _TOKEN = "fault-injection-tokens", "api"
READY_WITHIN = 30.0
"""Seconds until all agents answer, and until the API server calls those pods ready that are."""
_BYTES = 125_000
"""A second, of 1 Mbit a second."""


class ClusterInjection:
    """A way to it, and a client. Its pod may be replaced meanwhile: each connection finds the newest."""

    def __init__(self, cluster: Cluster, namespace: str, *, pod_of: Callable[[str], str] = str) -> None:
        """namespace: the deployment's. pod_of: of a component, by name, where the pod has another.

        Unavailable where nobody has installed it, or nobody may say so.
        """
        self._cluster, self._namespace, self._pod_of = cluster, namespace, pod_of
        try:
            tokens = cluster.secret(HOME, _TOKENS)
        except DeploymentError as refused:
            raise Unavailable(f"the token of the injection service cannot be read: {refused}") from refused
        if tokens is None:
            raise Unavailable("no injection service is installed on this cluster: docs/injection.md says how")
        self._open = ExitStack()
        way = Loopback(self._dialled)
        self._open.enter_context(way)
        token = base64.b64decode(tokens[_TOKEN]).decode()
        self.service = InjectionService(f"http://{way.address}", token=token, namespace=namespace, pod_of=pod_of)
        self._open.callback(self.service.close)
        try:
            eventually(
                self.service.ready, within=READY_WITHIN, describe="the injection service is ready", error=Unavailable
            )
        except BaseException:
            self.close()
            raise

    def await_ready(self, components: Sequence[Component]) -> None:
        """Return when the API server, which the service asks, calls those that run ready. DeploymentError.

        At once when a fault is there: who suffers from it may not be ready.
        """
        if self.service.active():
            return
        wanted = [self._pod_of(one.name) for one in components if one.running]

        def ready(pods: dict[str, Any]) -> bool:
            return all(name in pods and _ready(pods[name]) for name in wanted)

        pods = self._cluster.await_pods(self._namespace, ready, within=READY_WITHIN)
        if not ready(pods):
            missing = [name for name in wanted if name not in pods or not _ready(pods[name])]
            raise DeploymentError(f"the cluster does not call {', '.join(missing)} ready")

    def kill(self) -> None:
        """End its pods and the agents' at once; they are replaced."""
        for labels in (_AGENTS, _SERVICE):
            for pod in self._pods(labels):
                self._cluster.delete_pod(HOME, pod.metadata.name, grace=0)

    def close(self) -> None:
        """End the way to it. Safe to call twice."""
        self._open.close()

    def _dialled(self) -> socket.socket:
        try:
            pods = [pod for pod in self._pods(_SERVICE) if container_runs(pod)]
            if not pods:
                raise ConnectionError("no pod of the injection service runs")
            address = pods[0].status.pod_ip
            if answers(address, SERVICE_PORT):
                return socket.create_connection((address, SERVICE_PORT))
            return self._cluster.forward(HOME, pods[0].metadata.name, SERVICE_PORT)
        except DeploymentError as failure:
            raise ConnectionError(str(failure)) from failure

    def _pods(self, labels: str) -> list[Any]:
        with self._cluster.asked():
            listed = self._cluster.core.list_namespaced_pod(
                HOME, label_selector=labels, _request_timeout=ANSWERS_WITHIN
            )
        return list(listed.items)


class InjectedPartition(Partition):
    """Between pods, by the service: its agents prove it, and their kernels end it."""

    def __init__(
        self,
        service: InjectionService,
        one: Sequence[Component],
        other: Sequence[Component],
        how: Obstruction,
        *,
        seconds: float,
    ) -> None:
        self._service, self._seconds = service, seconds
        self._asked: dict[str, Any] = {
            "source": [each.name for each in one],
            "target": [each.name for each in other],
            "action": how.action.upper(),
            "direction": how.direction.upper(),
            "loss_percent": how.loss,
            "allow_last_worker": True,
        }
        if how.bytes_per_second is not None:
            self._asked["bandwidth_mbit"] = how.bytes_per_second / _BYTES
        self._fault: Injected | None = None

    def cut(self) -> None:
        self._fault = self._service.separate("CUSTOM", seconds=self._seconds, **self._asked)

    def proof(self) -> str:
        if self._fault is None:
            raise FaultError("nothing was cut yet")
        now = self._service.fault(self._fault.id)
        if now.state != "ACTIVE" or not now.evidence:
            raise FaultError(f"the partition {now.id} is {now.state}: {'; '.join(now.evidence) or 'nothing shows it'}")
        return "; ".join(now.evidence)

    def mend(self) -> None:
        if self._fault is not None:
            self._service.recover(self._fault.id)
            self._fault = None


def _ready(pod: Any) -> bool:
    return container_runs(pod) and any(one.type == "Ready" and one.status == "True" for one in pod.status.conditions)
