"""Whether the parts of a deployment still keep their leases, as etcd tells it.

A frontend or worker of Dynamo 1.4.2 renews its lease of 10 s every 5 s. One that cannot take it up again after a fault
ends when it has run out; one that has renewed it since will not.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from support.deployment import Component, Deployment
from support.errors import DeploymentError
from support.spec import GENERATING

if TYPE_CHECKING:
    from support.etcd import Line

OUTLIVES = 12.0
"""Seconds after which a part of Dynamo that lost its lease has noticed: 10 s of the lease, and a little."""
_EVERY = 0.25
"""Seconds between two looks."""


class Leases:
    """Of these parts, or of every frontend and worker, looked at until each was renewed."""

    def __init__(self, deployment: Deployment, *parts: Component) -> None:
        self._deployment = deployment
        self._parts = parts
        self._line: Line | None = None
        self._seen: dict[int, tuple[int, int]] = {}
        self._renewed = set[int]()
        self._due = 0.0

    def renewed(self) -> bool:
        """Whether each part that runs, or is started again when it has ended, was seen to renew its lease. Looks once
        more when it is time."""
        if time.monotonic() < self._due:
            return False
        self._due = time.monotonic() + _EVERY
        again = self._deployment.spec.restart == "always"
        parts = self._parts or self._deployment.of_role("frontend", *GENERATING)
        try:
            kept = [self._keeps(one) for one in parts if one.running or again]
        except (ConnectionError, DeploymentError):  # no answer, or it has just ended
            self.close()
            return False
        return all(kept)

    def close(self) -> None:
        if self._line:
            self._line.close()
        self._line = None

    def _keeps(self, part: Component) -> bool:
        """An election gives every lease its full time again, so only what grows within a term was renewed."""
        lease = part.instance_id() if part.running else None
        if lease is None:
            return False
        self._line = self._line or self._made()
        term, left = self._line.left(lease)
        before = self._seen.get(lease)
        self._seen[lease] = term, left
        if before and before[0] == term and left > before[1]:
            self._renewed.add(lease)
        return lease in self._renewed

    def _made(self) -> Line:
        """To any member that answers. ConnectionError."""
        from support.etcd import EtcdCluster, Line  # gRPC takes 0.1 s, which only its scenarios should cost

        for member in EtcdCluster(self._deployment).statuses():
            return Line(member)
        raise ConnectionError("no etcd member answers")
