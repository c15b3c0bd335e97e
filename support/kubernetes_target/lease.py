"""A lease in a namespace, by which a run says that it lives."""

from __future__ import annotations

import os
import secrets
import socket
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from support.errors import DeploymentError
from support.kubernetes_target.cluster import Cluster, Manifest

LASTS = 60
"""Seconds that it lasts after it was renewed."""
RENEWED_EVERY = 10.0


class Lease:
    """Held from `take` to `let_go`, or until we are dead and it is over."""

    def __init__(self, cluster: Cluster, namespace: str, name: str) -> None:
        self._cluster, self._namespace, self._name = cluster, namespace, name
        self._holder = f"{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(3)}"
        """A machine and a process of it; in containers these are often the same."""
        self._over = threading.Event()

    def take(self, over: Any = None) -> None:
        """Make it, and renew it in a thread. DeploymentError, also when it is there already.

        over: V1Lease of somebody dead, to be taken over as it was then: of several who try only the first can.
        """
        if over is None:
            self._cluster.make(self._manifest())
        else:
            self._cluster.patch(self._manifest(resourceVersion=over.metadata.resource_version))
        threading.Thread(target=self._renew, name=f"lease of {self._namespace}", daemon=True).start()

    def let_go(self) -> None:
        """Renew it no more. Safe to call twice."""
        self._over.set()

    def give_back(self) -> None:
        """Take it away, where it is still ours. DeploymentError. Safe to call twice."""
        self.let_go()
        if self._ours():
            self._cluster.delete(self._manifest())

    def _renew(self) -> None:
        """Until it is let go of, or somebody has taken it over: who was asleep for long is dead to the others."""
        while not self._over.wait(RENEWED_EVERY):
            with suppress(DeploymentError):  # the next time may be better
                if not (there := self._ours()):
                    return
                self._cluster.patch(self._manifest(resourceVersion=there.metadata.resource_version))

    def _ours(self) -> Any:
        """V1Lease; None when it is gone, or another's."""
        there = self._cluster.lease(self._namespace, self._name)
        return there if there and there.spec.holder_identity == self._holder else None

    def _manifest(self, **metadata: str) -> Manifest:
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._name, "namespace": self._namespace, **metadata},
            "spec": {"holderIdentity": self._holder, "leaseDurationSeconds": LASTS, "renewTime": now},
        }


def heard_of(lease: Any, *, durations: int = 1) -> bool:
    """Whether it was renewed within so many times its duration. lease: V1Lease."""
    return bool(datetime.now(UTC) - lease.spec.renew_time <= timedelta(seconds=durations * LASTS))
