"""A component of a deployment that somebody else keeps: whichever pod has its name now."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

from support.attached_target.found import port_of
from support.attached_target.process import AttachedProcess
from support.commands import Command
from support.component import KeptComponent
from support.errors import DeploymentError, LeftOut
from support.kubernetes_target.pods import ready, waits_for
from support.kubernetes_target.reach import Reach
from support.spec import Role
from support.waiting import eventually

BACK_WITHIN = 600.0
"""Seconds until its controller has replaced it and the cluster calls it ready: a real engine loads its model first."""


class AttachedComponent(KeptComponent):
    """Asked where its pod can be reached."""

    def __init__(
        self, name: str, role: Role, *, process: AttachedProcess, reach: Reach, version: str, log: Path
    ) -> None:
        """reach: of the pods of its namespace."""
        super().__init__(name, role, process=process, command=_not_ours, version=version, log=log)
        self._reach, self._hosted = reach, process

    @property
    def address(self) -> str:
        return self._hosted.pod.status.pod_ip or ""

    def at(self, port: int) -> str:
        pod = self._hosted.pod
        if not pod.status.pod_ip:
            raise ConnectionError(f"{self.name} has no address yet")
        return self._reach.at(pod.metadata.name, pod.status.pod_ip, port_of(pod, port))

    def wait_until_up(self) -> None:
        eventually(
            lambda: self.running and ready(self._hosted.pod),
            within=BACK_WITHIN,
            describe=f"{self.name} runs and is ready",
            error=DeploymentError,
            last_seen=self._waits_for,
        )
        super().wait_until_up()

    def _waits_for(self) -> str:
        try:
            return waits_for(self._hosted.pod)
        except DeploymentError as absence:
            return str(absence)


def _not_ours(version: str) -> Command:
    raise LeftOut(f"what it runs is its owner's: it cannot be Dynamo {version}")


def refuse(what: str) -> NoReturn:
    """What only an owner does."""
    raise LeftOut(f"{what}: that is for the owner of the deployment, to which this run is attached only")
