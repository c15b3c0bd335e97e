"""Base of what is done to an etcd cluster by way of its members, besides losing them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from support.deployment import Component, Deployment
from support.errors import UsageError
from support.faults import Fault, Stage, refuse_unknown


class OfTheCluster(Fault):
    """Done to a cluster by way of its members. UsageError for other victims."""

    def __init__(self, deployment: Deployment, members: Sequence[Component]) -> None:
        from support.etcd import EtcdCluster  # gRPC takes 0.1 s, which only its scenarios should cost

        if others := [one.name for one in members if one.role != "etcd"]:
            raise UsageError(f"{', '.join(others)} cannot be {self.name}: only etcd members can")
        self.victim = ", ".join(member.name for member in members)
        self._deployment = deployment
        self._members = members
        self._cluster = EtcdCluster(deployment)

    @classmethod
    def of(cls, stage: Stage, victims: Sequence[Component], parameters: Mapping[str, str]) -> list[Fault]:
        refuse_unknown(cls.kinds[0], parameters)
        return [cls(stage.deployment, victims)]
