"""What a pod's container writes, followed into a file here, over the pods and containers that bear the name in turn."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import urllib3

from support.errors import DeploymentError
from support.kubernetes_target.cluster import Cluster

LOOKS_AGAIN = 0.5
"""Seconds between attempts to take up a stream that broke."""
_MARGIN = 30
"""Seconds that a node's clock may differ from ours."""


class PodLog:
    """Container after container, each from its first line to its last, however often its stream breaks."""

    def __init__(self, cluster: Cluster, namespace: str, pod: str, file: Path) -> None:
        self.file = file
        self._cluster, self._namespace, self._name = cluster, namespace, pod
        self._newest = ""
        self._wanted: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
        """(uid of the pod, id of the container)"""
        self._thread: threading.Thread | None = None
        self._over = threading.Event()

    def follow(self, pod: Any) -> None:
        """Follow the pod's container, which runs, when those before it are read to their ends; once."""
        container = str(pod.status.container_statuses[0].container_id)
        if self._over.is_set() or container == self._newest:
            return
        self._newest = container
        self._wanted.put((pod.metadata.uid, container))
        if self._thread is None:
            self._thread = threading.Thread(target=self._keep, name=f"log of {self._name}", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Take up no stream any more; what is open is followed to its end. Safe to call twice."""
        self._over.set()
        self._wanted.put(("", ""))

    def _keep(self) -> None:
        with self.file.open("ab") as file:
            while not self._over.is_set():
                uid, container = self._wanted.get()
                if container:
                    for line in self._lines(uid, container):
                        file.write(line)
                        file.flush()

    def _lines(self, uid: str, container: str) -> Iterator[bytes]:
        """All that the container writes, without the times, by which a line that was read already is known again."""
        last = b""
        way: dict[str, bool] | None = {"follow": True}
        while way is not None and not self._over.is_set():
            with suppress(DeploymentError, urllib3.exceptions.HTTPError, OSError, ValueError):
                for line in self._stream(last, **way):
                    at, _, text = line.partition(b" ")
                    if at > last:
                        last = at
                        yield text
            way = self._way_on(uid, container, read_to_end="follow" not in way)

    def _stream(self, last: bytes, **how: bool) -> Iterator[bytes]:
        """Lines that are whole, each with its time first."""
        if last:
            passed = datetime.now(UTC) - datetime.fromisoformat(last.decode())
            how |= {"since_seconds": int(passed.total_seconds()) + _MARGIN}  # type: ignore[dict-item]
        rest = b""
        with closing(self._cluster.log(self._namespace, self._name, timestamps=True, **how)) as response:
            for written in response.stream(decode_content=False):
                *lines, rest = (rest + written).split(b"\n")
                yield from (line + b"\n" for line in lines)

    def _way_on(self, uid: str, container: str, *, read_to_end: bool) -> dict[str, bool] | None:
        """How to read what is left of the container, whose stream has ended; None when nothing can be left."""
        while not self._over.wait(LOOKS_AGAIN):
            with suppress(DeploymentError):
                pod = self._cluster.pod(self._namespace, self._name)
                if pod is None or pod.metadata.uid != uid or read_to_end:
                    return None
                for status in pod.status.container_statuses or []:
                    if status.container_id == container:
                        return {"follow": True} if status.state.running else {}
                    ended = status.last_state.terminated
                    if ended and ended.container_id == container:
                        return {"previous": True}
                return None
        return None
