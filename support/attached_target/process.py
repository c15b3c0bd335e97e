"""What can be done to the process of a pod that somebody else keeps: by the injection service, or by the API server."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from injector.labels import PROTECTED
from support.attached_target.seats import Seat
from support.errors import FaultError, LeftOut, Silent
from support.injection import Injected, InjectionService
from support.kubernetes_target.cluster import Cluster
from support.vitals import Vitals
from support.waiting import eventually

GONE_WITHIN = 30.0
"""Seconds until the cluster shows that a container has ended."""
LONGEST = 300.0
"""Seconds after which the service lets a frozen pod go on, whatever became of us."""


class AttachedProcess:
    """With the verbs of `support.process.SupervisedProcess`, as far as its owner's controller allows them.

    It is killed and frozen by the injection service. Deleting its pod is no way to kill it: even without grace, its
    node asks the process to end first, and kills it 2 seconds later. LeftOut for what cannot be done to a pod of
    somebody else's.
    """

    def __init__(
        self, cluster: Cluster, namespace: str, seat: Seat, injection: Callable[[], InjectionService | None]
    ) -> None:
        """injection: the service, or None where none is installed."""
        self._cluster, self._namespace, self._seat, self._injection = cluster, namespace, seat, injection
        self._frozen: Injected | None = None

    @property
    def pod(self) -> Any:
        """V1Pod. Silent while there is none."""
        if self._seat.pod is None:
            raise Silent(f"no pod in {self._namespace} is {self._seat.name} now")
        return self._seat.pod

    def kill(self, *, for_good: bool = False) -> None:
        if for_good:
            self._left_out("stay down", "its controller starts it again")
        before = self._insist_on_running()
        self._service("be killed").strike_process(self._seat.name, "KILL", seconds=LONGEST)
        self._await_end(before)

    def terminate(self, *, for_good: bool = False) -> None:
        if for_good:
            self._left_out("be taken away", "its controller starts another one")
        self._insist_on_running()
        if reason := (self.pod.metadata.labels or {}).get(PROTECTED):
            self._left_out("be asked to end", f"its owner protects it: {reason}")
        self._cluster.delete_pod(self._namespace, self.pod.metadata.name, grace=None)

    def pause(self) -> None:
        self._insist_on_running()
        self._frozen = self._service("be frozen").strike_process(self._seat.name, "PAUSE", seconds=LONGEST)

    def resume(self) -> None:
        if self._frozen and (service := self._injection()):
            service.recover(self._frozen.id)
        self._frozen = None

    def start(self) -> None:
        """Its controller does that."""

    def stop(self) -> None:
        """Whatever we did to it ends; it goes on."""
        self.resume()

    def interrupt(self) -> None:
        self._left_out("be interrupted", "a cluster knows no keyboard")

    def send(self, number: signal.Signals) -> None:
        self._left_out(f"be sent {number.name}", "its engine knows no such signal")

    def run_next(self, argv: Sequence[str], environment: Mapping[str, str]) -> None:
        self._left_out("be of another version", "what it runs is its owner's")

    def vitals(self) -> Vitals:
        self._left_out("be looked into", "what its process holds is not ours to read")

    @property
    def exits(self) -> list[int]:
        return self._seat.ends

    @property
    def running(self) -> bool:
        return bool(self._seat.container)

    @property
    def frozen(self) -> bool:
        return self.running and self._frozen is not None

    @property
    def pid(self) -> int:
        """A number that its container has alone, where no process of it can be seen."""
        return int(self._insist_on_running().rpartition("/")[2][:7], 16)

    def _service(self, to: str) -> InjectionService:
        service = self._injection()
        if service is None:
            self._left_out(to, "only the injection service can do that, and none is installed on this cluster")
        return service

    def _insist_on_running(self) -> str:
        """The id of its container. FaultError when none runs."""
        if not self._seat.container:
            raise FaultError(f"{self._seat.name} is not running: it ended with {self.exits or 'nothing'}")
        return self._seat.container

    def _await_end(self, container: str) -> None:
        eventually(
            lambda: self._seat.container != container,
            within=GONE_WITHIN,
            describe=f"the container of {self._seat.name} has ended",
            error=FaultError,
        )

    def _left_out(self, what: str, why: str) -> NoReturn:
        raise LeftOut(f"{self._seat.name} cannot {what}, being a pod of somebody else's in {self._namespace}: {why}")
