"""What happens to etcd besides being lost: a member is replaced, its space runs out, its history is forgotten."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from support.deployment import Component, Deployment
from support.errors import FaultError, UsageError
from support.faults import Fault, Stage, refuse_unknown

_ROUNDS = 20
"""Changes of a key before the history is forgotten, so that there is one."""


class _OfTheCluster(Fault):
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


class MemberReplaced(_OfTheCluster):
    """Members are taken out of the cluster, one after the other, and empty ones let in under their names."""

    kinds = ("replace_member",)
    name = "replaced by an empty one"

    def inject(self) -> None:
        self._were = self._cluster.belongs()
        for member in self._members:
            self._deployment.replace_member(member.name)

    def verify(self) -> str:
        are = self._cluster.belongs()
        same = [member.name for member in self._members if are.get(member.name) == self._were[member.name]]
        if same:
            raise FaultError(f"{', '.join(same)} was to be replaced and is still the same member")
        return ", ".join(f"{one.name} was {self._were[one.name]:x}, is {are[one.name]:x}" for one in self._members)


class NoSpace(_OfTheCluster):
    """The cluster's space is used up, until it is healed: room is made, as etcd's operators do it."""

    kinds = ("no_space",)
    name = "out of space"
    lasting = True
    _full = False

    def inject(self) -> None:
        if self._deployment.spec.etcd_quota_mb is None:
            raise UsageError("etcd has 2 GB of space in this deployment: give it a quota (etcd_quota_mb)")
        self._full = True
        self._stored = self._cluster.fill()

    def verify(self) -> str:
        raised = self._cluster.alarms()
        if not raised:
            raise FaultError(f"{self._stored} bytes were stored, and no member says that it is out of space")
        return f"{len(raised)} members say so, after {self._stored} bytes"

    def heal(self) -> None:
        if self._full:
            self._full = False
            self._cluster.make_room()


class HistoryForgotten(_OfTheCluster):
    """Some changes are made that have nothing to do with Dynamo, and the history up to them is forgotten."""

    kinds = ("compact",)
    name = "made to forget its history"

    def inject(self) -> None:
        before = self._cluster.status(self._cluster.leader()).revision
        self._cluster.touch(_ROUNDS)
        self._from, self._to = before, self._cluster.compact()

    def verify(self) -> str:
        if self._cluster.remembers(self._from):
            raise FaultError(f"the history up to {self._to} was to be forgotten, and {self._from} can be read")
        return f"revision {self._from} cannot be read any more, {self._to} can"
