"""What a pod's container writes, followed into a file here, over the pods and containers that bear the name in turn."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import urllib3

from support.errors import DeploymentError
from support.kubernetes_target.cluster import Cluster


class PodLog:
    """One thread per container. What was written after its end is read before the next one is followed."""

    def __init__(self, cluster: Cluster, namespace: str, pod: str, file: Path) -> None:
        self.file = file
        self._open: Callable[[], Any] = lambda: cluster.log(namespace, pod)
        self._name = pod
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._over = False

    def follow(self) -> None:
        """Follow the container that runs now, unless that is done already."""
        with self._lock:
            if self._over or (self._thread and self._thread.is_alive()):
                return
            self._thread = threading.Thread(target=self._keep, name=f"log of {self._name}", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Follow no further container; the one that is followed is, to its end. Safe to call twice."""
        self._over = True

    def _keep(self) -> None:
        with suppress(DeploymentError, urllib3.exceptions.HTTPError, OSError, ValueError):
            response = self._open()
            with closing(response), self.file.open("ab") as file:
                for written in response.stream(decode_content=False):
                    file.write(written)
                    file.flush()
