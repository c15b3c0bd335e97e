"""A component of a deployment on a cluster: a pod."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from support.commands import Command
from support.component import KeptComponent
from support.kubernetes_target.process import PodProcess
from support.kubernetes_target.reach import Reach
from support.spec import Role


class PodComponent(KeptComponent):
    """Asked where its pod can be reached, which changes when the pod does."""

    def __init__(
        self,
        name: str,
        role: Role,
        *,
        process: PodProcess,
        reach: Reach,
        command: Callable[[str], Command],
        version: str,
        log: Path,
    ) -> None:
        super().__init__(name, role, process=process, command=command, version=version, log=log)
        self.pod = process
        self._reach = reach

    @property
    def address(self) -> str:
        return self.pod.address

    def at(self, port: int) -> str:
        return self._reach.at(self.name, self.address, port)
