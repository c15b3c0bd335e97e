"""etcd's history is forgotten."""

from __future__ import annotations

from support.errors import FaultError
from support.faults.etcd import OfTheCluster

_ROUNDS = 20
"""Changes of a key before the history is forgotten, so that there is one."""


class HistoryForgotten(OfTheCluster):
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
