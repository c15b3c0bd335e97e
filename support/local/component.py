"""A component of a local deployment: a process of this machine at a place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from support.commands import Command
from support.component import KeptComponent
from support.place import Place
from support.process import SupervisedProcess
from support.spec import RestartPolicy, Role


class LocalComponent(KeptComponent):
    """It starts as what it was made for."""

    def __init__(
        self,
        name: str,
        role: Role,
        *,
        place: Place,
        command: Callable[[str], Command],
        version: str,
        environment: dict[str, str],
        log: Path,
        folder: Path,
        restart: RestartPolicy,
    ) -> None:
        def at_its_place(version: str) -> Command:
            told = command(version)
            return replace(told, argv=[*place.enter, *told.argv], environment=environment | told.environment)

        process = SupervisedProcess(name, [], log=log, environment={}, folder=folder, restart=restart)
        super().__init__(name, role, process=process, command=at_its_place, version=version, log=log)
        self.place = place
        self.run_as(version)

    @property
    def address(self) -> str:
        return self.place.address

    def at(self, port: int) -> str:
        return self.place.at(port)
