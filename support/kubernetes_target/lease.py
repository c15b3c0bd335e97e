"""A lease in a namespace, by which a run says that it lives."""

from __future__ import annotations

import os
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
        self._over = threading.Event()

    def take(self) -> None:
        """Make it, and renew it in a thread. DeploymentError, also when it is there already."""
        self._cluster.make(self._manifest())
        threading.Thread(target=self._renew, name=f"lease of {self._namespace}", daemon=True).start()

    def let_go(self) -> None:
        """Renew it no more. Safe to call twice."""
        self._over.set()

    def give_back(self) -> None:
        """Take it away. DeploymentError. Safe to call twice."""
        self.let_go()
        self._cluster.delete(self._manifest())

    def _renew(self) -> None:
        while not self._over.wait(RENEWED_EVERY):
            with suppress(DeploymentError):  # the next time may be better
                self._cluster.patch(self._manifest())

    def _manifest(self) -> Manifest:
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        holder = f"{socket.gethostname()}/{os.getpid()}"
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._name, "namespace": self._namespace},
            "spec": {"holderIdentity": holder, "leaseDurationSeconds": LASTS, "renewTime": now},
        }


def heard_of(lease: Any, *, durations: int = 1) -> bool:
    """Whether it was renewed within so many times its duration. lease: V1Lease."""
    return bool(datetime.now(UTC) - lease.spec.renew_time <= timedelta(seconds=durations * LASTS))
