"""An etcd member is replaced by an empty one."""

from __future__ import annotations

from support.errors import FaultError
from support.faults.etcd import OfTheCluster


class MemberReplaced(OfTheCluster):
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
