"""A component of a deployment on a cluster: a pod."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from support.commands import Command
from support.component import KeptComponent
from support.kubernetes_target.process import PodProcess
from support.spec import Role


class PodComponent(KeptComponent):
    """Asked at its pod's address, which is another one when its pod is."""

    def __init__(
        self, name: str, role: Role, *, process: PodProcess, command: Callable[[str], Command], version: str, log: Path
    ) -> None:
        super().__init__(name, role, process=process, command=command, version=version, log=log)
        self.pod = process

    @property
    def address(self) -> str:
        return self.pod.address

    def at(self, port: int) -> str:
        return f"{self.address}:{port}"
