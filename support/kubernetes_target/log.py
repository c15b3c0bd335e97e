"""What a pod's container writes, followed into a file here, over the pods and containers that bear the name in turn."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import urllib3

from support.errors import DeploymentError
from support.kubernetes_target.cluster import Cluster
from support.kubernetes_target.pods import main_of

LOOKS_AGAIN = 0.5
"""Seconds between attempts to take up a stream that broke."""
ATTEMPTS = 5
"""To read what a container that has ended wrote last."""
_MARGIN = 30
"""Seconds that a node's clock may differ from ours."""


class _Written(NamedTuple):
    """By one container of one pod."""

    pod: str
    uid: str
    name: str
    """Of the container; another one in its place has the same."""
    container: str


class PodLog:
    """Container after container, each from its first line to its last, however often its stream breaks."""

    def __init__(
        self, cluster: Cluster, namespace: str, name: str, file: Path, *, since: datetime | None = None
    ) -> None:
        """name: of whose log it is. since: what was written before is left out."""
        self.file = file
        self._cluster, self._namespace, self._name = cluster, namespace, name
        self._since = since
        self._newest = ""
        self._wanted: queue.SimpleQueue[_Written | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._over = threading.Event()

    def follow(self, pod: Any) -> None:
        """Follow the pod's container, which runs, when those before it are read to their ends; once."""
        main = main_of(pod)
        if self._over.is_set() or main.container_id == self._newest:
            return
        self._newest = main.container_id
        self._wanted.put(_Written(pod.metadata.name, pod.metadata.uid, main.name, main.container_id))
        if self._thread is None:
            self._thread = threading.Thread(target=self._keep, name=f"log of {self._name}", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Take up no stream any more; what is open is followed to its end. Safe to call twice."""
        self._over.set()
        self._wanted.put(None)

    def _keep(self) -> None:
        with self.file.open("ab") as file:
            while not self._over.is_set():
                if written := self._wanted.get():
                    for line in self._lines(written):
                        file.write(line)
                        file.flush()

    def _lines(self, of: _Written) -> Iterator[bytes]:
        """All that the container writes, without the times, by which a line that was read already is known again."""
        last, failed = b"", 0
        way: dict[str, bool] | None = {"follow": True}
        while way is not None and not self._over.is_set():
            read_to_end, failed = False, failed + ("follow" not in way)
            with suppress(DeploymentError, urllib3.exceptions.HTTPError, OSError, ValueError):
                for line in self._stream(of, last, **way):
                    at, _, text = line.partition(b" ")
                    if at > last and not self._too_old(at):
                        last = at
                        yield text
                read_to_end = "follow" not in way
            way = self._way_on(of, read_to_end=read_to_end or failed == ATTEMPTS)

    def _too_old(self, at: bytes) -> bool:
        """Nodes tell the times of their own zones. What is no time is a complaint of the node's."""
        with suppress(ValueError):
            return self._since is not None and datetime.fromisoformat(at.decode()) <= self._since
        return False

    def _stream(self, of: _Written, last: bytes, **how: bool) -> Iterator[bytes]:
        """Lines that are whole, each with its time first."""
        if known := datetime.fromisoformat(last.decode()) if last else self._since:
            passed = datetime.now(UTC) - known
            how |= {"since_seconds": int(passed.total_seconds()) + _MARGIN}  # type: ignore[dict-item]
        rest = b""
        with closing(self._opened(of, **how)) as response:
            for written in response.stream(decode_content=False):
                *lines, rest = (rest + written).split(b"\n")
                yield from (line + b"\n" for line in lines)

    def _opened(self, of: _Written, **how: bool) -> Any:
        return self._cluster.log(self._namespace, of.pod, container=of.name, timestamps=True, **how)

    def _way_on(self, of: _Written, *, read_to_end: bool) -> dict[str, bool] | None:
        """How to read what is left of the container, whose stream has ended; None when nothing can be left."""
        while not self._over.wait(LOOKS_AGAIN):
            with suppress(DeploymentError):
                pod = self._cluster.pod(self._namespace, of.pod)
                if pod is None or pod.metadata.uid != of.uid or read_to_end:
                    return None
                for status in pod.status.container_statuses or []:
                    if status.container_id == of.container:
                        return {"follow": True} if status.state.running else {}
                    ended = status.last_state.terminated
                    if ended and ended.container_id == of.container:
                        return {"previous": True}
                return None
        return None
