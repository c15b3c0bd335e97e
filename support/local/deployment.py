"""A deployment on this machine: etcd, NATS, frontends and workers as processes, started in that order."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from injector.agents.partition import Obstruction
from support.commands import GRPC, HTTP, PORTS, Surroundings, command
from support.component import KeptComponent
from support.deployment import Component, FarClient, Partition
from support.errors import FaultError, UsageError
from support.injection import InjectionService
from support.kept_deployment import KeptDeployment, names
from support.local import installed
from support.local.component import LocalComponent
from support.local.far_client import NamespacedClient
from support.local.injection import LocalInjection
from support.local.network import network
from support.local.partition import LocalPartition
from support.model import MODEL_NAME, ModelFolder, give_back, write_flawed_model
from support.place import Place
from support.spec import GENERATING, DeploymentSpec, Role


@dataclass(frozen=True)
class Folders:
    """Where a deployment writes. data: gone with the run. logs: kept as evidence."""

    data: Path
    logs: Path


class LocalDeployment(KeptDeployment):
    """Started by its constructor as far as etcd and NATS being up; `ready` waits for the rest."""

    def __init__(self, spec: DeploymentSpec, *, model: ModelFolder, folders: Folders, etcd_folder: Path | None) -> None:
        self.spec = spec
        self.model = MODEL_NAME
        self._network = network()
        self._folders = folders
        self.components: dict[str, Component] = {}
        self.altered = []
        self._flawed: list[Path] = []
        self._far = itertools.count()
        self._injection: LocalInjection | None = None
        try:
            self.around = self._surroundings(model, etcd_folder)
            self._start(self.around)
            self.base_urls = [f"http://{frontend.place.at(HTTP)}" for frontend in self._locals("frontend")]
            self.base_url = self.base_urls[0]
            self.kserve_address = self._local("frontend-0").place.at(GRPC)
        except BaseException:
            self.close()
            raise

    def _surroundings(self, model: ModelFolder, etcd_folder: Path | None) -> Surroundings:
        for folder in (self._folders.data, self._folders.logs):
            folder.mkdir(parents=True, exist_ok=True)
        return Surroundings(
            spec=self.spec,
            places={},
            model=model,
            data=self._folders.data,
            programs=installed.programs(etcd_folder),
        )

    def _build(self, around: Surroundings, *roles: Role) -> list[LocalComponent]:
        wanted = {name: role for name, role in names(self.spec).items() if role in roles}
        around.places.update({name: self._network.place(name, PORTS[role]) for name, role in wanted.items()})
        return [self._put(name, role, around, self.spec.dynamo) for name, role in wanted.items()]

    def _put(self, name: str, role: Role, around: Surroundings, version: str) -> LocalComponent:
        built = self._component(name, role, around, around.places[name], version)
        self.components[name] = built
        return built

    def _component(self, name: str, role: Role, around: Surroundings, place: Place, version: str) -> LocalComponent:
        return LocalComponent(
            name,
            role,
            place=place,
            command=lambda version: command(name, role, replace(around, spec=self.spec.but(dynamo=version))),
            version=version,
            environment=_environment(self._folders.data),
            log=self._folders.logs / f"{name}.log",
            folder=self._folders.data,
            restart=self.spec.restart,
        )

    def _start(self, around: Surroundings) -> None:
        """etcd first: who finds none waits 1, 2, 4, ... s before asking again. While it elects, the rest is built."""
        first = self._build(around, "etcd", "nats")
        for component in first:
            component.start()
        then = self._build(around, "frontend", *GENERATING)
        for component in first:
            component.wait_until_up()
        for component in then:
            component.start()

    def _added(self, name: str, role: Role, version: str, flaw: str | None) -> KeptComponent:
        around = self.around
        around.places[name] = self._network.place(name, PORTS[role])
        if flaw is not None:
            self._flawed.append(self._folders.data / f"model-of-{name}")
            around = replace(around, model=write_flawed_model(self._flawed[-1], flaw))
        added = self._put(name, role, around, version)
        added.start()
        return added

    def _erase(self, name: str) -> None:
        shutil.rmtree(self._folders.data / name)

    def _empty_member(self, name: str) -> KeptComponent:
        new = self._put(name, "etcd", replace(self.around, joins=True), self.spec.dynamo)
        new.start()
        return new

    def far_client(self, name: str) -> FarClient:
        return NamespacedClient(self._network, f"{name}-{next(self._far)}")

    def partition(
        self, one: Sequence[Component], other: Sequence[Component], how: Obstruction, *, seconds: float
    ) -> Partition:
        return LocalPartition(self._network, one, other, how, seconds=seconds, probed=PORTS[other[0].role][0])

    def injection(self) -> InjectionService:
        if self._injection is None:
            folder = self._folders.data / "injector"
            self._injection = LocalInjection(self._network, folder=folder, logs=self._folders.logs)
            self._injected = self._injection.start()
        self._injection.register(self._locals())
        return self._injected

    def ailments(self) -> list[str]:
        found = super().ailments()
        if found or not self._injection:
            return found
        try:
            return [f"the fault {fault.id} is {fault.state}" for fault in self._injected.active()]
        except FaultError as silent:
            return [str(silent)]

    def lose_injection(self) -> None:
        if self._injection is None:
            raise UsageError("there is no injection service beside this deployment: nothing was asked of it yet")
        self._injection.kill()

    def close(self) -> None:
        with ExitStack() as closing:  # one that cannot be ended keeps none of the others up
            # Each etcd alone reserves 128 MB there: a long run would fill the disk.
            closing.callback(shutil.rmtree, self._folders.data, ignore_errors=True)
            closing.callback(self._network.close)
            for cache in self._flawed:
                closing.callback(give_back, cache)
            for component in self._locals():
                closing.callback(component.stop)
            if self._injection:
                closing.callback(self._injection.stop)

    def _local(self, name: str) -> LocalComponent:
        component = self.component(name)
        assert isinstance(component, LocalComponent)
        return component

    def _locals(self, *roles: Role) -> list[LocalComponent]:
        return [self._local(name) for name, one in self.components.items() if not roles or one.role in roles]


def _environment(home: Path) -> dict[str, str]:
    """A component inherits nothing of the user's environment but where programs are."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return kept | {"HOME": str(home), "TMPDIR": str(home), "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1"}
