"""etcd's space is used up."""

from __future__ import annotations

from support.errors import FaultError, UsageError
from support.faults.etcd import OfTheCluster


class NoSpace(OfTheCluster):
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
