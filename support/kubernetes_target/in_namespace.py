"""A deployment in a namespace of a cluster, whoever keeps it: what the cluster tells of it, and what cuts it apart."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from datetime import UTC, datetime

from injector.agents.partition import Obstruction
from support.deployment import Component, FarClient, Partition
from support.errors import DeploymentError, Unavailable
from support.injection import InjectionService
from support.kept_deployment import KeptDeployment
from support.kubernetes_target.cluster import Cluster
from support.kubernetes_target.injection import ClusterInjection, InjectedPartition
from support.kubernetes_target.pods import event_line, told_at


class NamespacedDeployment(KeptDeployment):
    """Its components are pods of one namespace."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._taken = datetime.now(UTC)
        self._injection: ClusterInjection | None = None

    @property
    @abstractmethod
    def namespace(self) -> str: ...

    def pod_of(self, name: str) -> str:
        """The present name of that component's pod."""
        return name

    def forget(self) -> None:
        super().forget()
        self._taken = datetime.now(UTC)

    def told(self) -> str:
        try:
            events = self._cluster.events(self.namespace)
        except DeploymentError as silence:
            return f"nobody can say: {silence}\n"
        return "".join(event_line(one) for one in events if told_at(one) >= self._taken)

    def far_client(self, name: str) -> FarClient:
        raise Unavailable("a client's link cannot be cut here: on a cluster clients come from outside of it")

    def partition(
        self, one: Sequence[Component], other: Sequence[Component], how: Obstruction, *, seconds: float
    ) -> Partition:
        return InjectedPartition(self.injection(), one, other, how, seconds=seconds)

    def injection(self) -> InjectionService:
        if self._injection is None:
            self._injection = ClusterInjection(self._cluster, self.namespace, pod_of=self.pod_of)
        self._injection.await_ready(self._kept())
        return self._injection.service
