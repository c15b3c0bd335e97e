"""Which pod is which component, over the pods that come and go."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from support.attached_target.found import role_in
from support.errors import DeploymentError
from support.kubernetes_target.cluster import Cluster
from support.kubernetes_target.pods import main_of, over
from support.spec import Role

LOOKS_AGAIN = 0.5
"""Seconds until a cluster that did not answer is asked again."""
_WATCHED_FOR = 30.0
"""Seconds of one watch: so long at most the thread outlives what it works for."""
_KILLED = -9
_BY_SIGNAL = 128
"""What a container's exit status is beyond the number of the signal that ended its process."""


class Seat:
    """A component's name, and the pod that has it now: until it is gone, then another one of its role."""

    def __init__(self, name: str, role: Role) -> None:
        self.name, self.role = name, role
        self.pod: Any = None
        """V1Pod, as it was seen last; None while there is none."""
        self.container = ""
        """Id of the one that runs; empty while none does."""
        self.ends: list[int] = []
        """How its containers ended, negative for a signal; of one that nobody told of, as if it was killed."""

    def take(self, pod: Any) -> None:
        """It is now so. pod: V1Pod, or None."""
        status = main_of(pod) if pod else None
        now = status.container_id if status and status.state.running else ""
        if self.container and now != self.container:
            self.ends.append(_end_of(self.container, status))
        self.pod, self.container = pod, now or ""


class Seats:
    """Of all components of one namespace, kept by watching its pods."""

    def __init__(self, seats: Iterable[Seat], seen: Callable[[Seat], None]) -> None:
        """seen: called with each seat after it was looked at, in the thread that watches."""
        self.of = {seat.name: seat for seat in seats}
        self._seen = seen
        self._taking = threading.Lock()
        self._over = threading.Event()

    def take(self, pods: Mapping[str, Any]) -> None:
        """These are there now, by name."""
        with self._taking:
            for seat in self.of.values():
                seat.take(_same(seat.pod, pods))
                if seat.pod and over(seat.pod):  # it has told how it ended
                    seat.take(None)
            taken = {seat.pod.metadata.uid for seat in self.of.values() if seat.pod}
            free = sorted((pod for pod in pods.values() if pod.metadata.uid not in taken), key=_age)
            for seat in self.of.values():
                mine = [pod for pod in free if seat.pod is None and _fits(pod, seat.role)]
                if mine:
                    chosen = next((pod for pod in mine if pod.metadata.name == seat.name), mine[0])
                    free.remove(chosen)
                    seat.take(chosen)
            for seat in self.of.values():
                self._seen(seat)

    def watch(self, cluster: Cluster, namespace: str) -> None:
        """Keep them from now on, in a thread, until `close`."""
        threading.Thread(target=self._keep, args=(cluster, namespace), name=f"pods of {namespace}", daemon=True).start()

    def close(self) -> None:
        self._over.set()

    def _keep(self, cluster: Cluster, namespace: str) -> None:
        def take(pods: dict[str, Any]) -> bool:
            self.take(pods)
            return self._over.is_set()

        while not self._over.is_set():
            with suppress(DeploymentError):  # what was known last stands, and the next watch begins with a list
                cluster.await_pods(namespace, take, within=_WATCHED_FOR)
                continue
            self._over.wait(LOOKS_AGAIN)


def _same(pod: Any, pods: Mapping[str, Any]) -> Any:
    """That pod as it is now; None when it is gone, also when another has its name."""
    now = pods.get(pod.metadata.name) if pod else None
    return now if now and now.metadata.uid == pod.metadata.uid else None


def _age(pod: Any) -> tuple[Any, str]:
    return pod.metadata.creation_timestamp, pod.metadata.name


def _end_of(container: str, status: Any) -> int:
    """How that container ended. status: of the pod's container now, or None."""
    for state in (status.state, status.last_state) if status else ():
        ended = state and state.terminated
        if ended and ended.container_id == container:
            code = int(ended.exit_code)
            return _BY_SIGNAL - code if code > _BY_SIGNAL else code
    return _KILLED


def _fits(pod: Any, role: Role) -> bool:
    return role_in(pod) == role and not pod.metadata.deletion_timestamp and not over(pod)
