"""A deployment on this machine: etcd, NATS, frontends and workers as processes, started in that order."""

from __future__ import annotations

import itertools
import os
import re
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from injector.agents.partition import Obstruction
from support.counts import in_flight
from support.deployment import Component, Deployment, FarClient, Instance, Partition
from support.errors import DeploymentError, FaultError, UsageError
from support.injection import Injected, InjectionService
from support.local import installed
from support.local.commands import ETCD_PEER, GRPC, HTTP, OTHER, PORTS, Surroundings, command
from support.local.component import LocalComponent
from support.local.far_client import NamespacedClient
from support.local.injection import LocalInjection
from support.local.model import MODEL_NAME, ModelFolder, give_back, write_flawed_model
from support.local.network import Place, network
from support.local.partition import LocalPartition
from support.local.readiness import instances, lacking
from support.spec import GENERATING, DeploymentSpec, Role
from support.waiting import eventually

READY_WITHIN = 60.0
DRAINED_WITHIN = 60.0
"""Seconds that a worker which is asked to end may take for the requests that it still has."""
_STORE: tuple[Role, ...] = ("etcd", "nats")
_GIVEN = re.compile(r'request received request_id=(\S+) .*x_request_id="([^"]*)"')
"""In a frontend's log: the id that it gives to a request, and the one that its client gave it."""
_ABORTED = re.compile(r"^(\S+Z) .*Aborted Request ID: (\S+)", re.MULTILINE)
"""In a worker's log, as every backend of ai-dynamo 1.4.2 writes it: when, and which request, by the frontend's id."""
_KEPT = re.compile(r"request received request_id=(\S+) ")
"""The same over KServe's protocol, where the frontend keeps the client's."""


@dataclass(frozen=True)
class Folders:
    """Where a deployment writes. data: gone with the run. logs: kept as evidence."""

    data: Path
    logs: Path


class LocalDeployment(Deployment):
    """Started by its constructor as far as etcd and NATS being up; `ready` waits for the rest."""

    def __init__(self, spec: DeploymentSpec, *, model: ModelFolder, folders: Folders, etcd_folder: Path | None) -> None:
        self.spec = spec
        self.model = MODEL_NAME
        self._network = network()
        self._folders = folders
        self.components: dict[str, Component] = {}
        self._altered: list[str] = []
        self._flawed: list[Path] = []
        self._far = itertools.count()
        self._injection: LocalInjection | None = None
        try:
            self._around = self._surroundings(model, etcd_folder)
            self._start(self._around)
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
            etcd=installed.etcd(etcd_folder)[0],
            nats_server=installed.nats_server()[0],
        )

    def _build(self, around: Surroundings, *roles: Role) -> list[LocalComponent]:
        wanted = {name: role for name, role in names(self.spec).items() if role in roles}
        around.places.update({name: self._network.place(name, PORTS[role]) for name, role in wanted.items()})
        return [self._put(name, role, around) for name, role in wanted.items()]

    def _put(self, name: str, role: Role, around: Surroundings, *, version: str | None = None) -> LocalComponent:
        built = self._component(name, role, around, around.places[name], version or self.spec.dynamo)
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

    def ready(self) -> None:
        for component in self._locals():
            component.wait_until_up()

        def serves() -> bool:
            for component in self._locals():
                component.insist_on_running()
            assert not (lacks := self.lacking()), "; ".join(lacks)
            return True

        eventually(serves, within=READY_WITHIN, describe=f"{self.spec} is ready", error=DeploymentError)

    def add(self, role: Role, *, dynamo: str | None = None, flaw: str | None = None, wait: bool = True) -> Component:
        if role not in GENERATING:
            raise UsageError(f"a {role} cannot be added: only {', '.join(GENERATING)} can")
        number = next(n for n in itertools.count() if f"{self.spec.backend}-{role}-{n}" not in self._around.places)
        name = f"{self.spec.backend}-{role}-{number}"
        self._altered.append(f"{name} was added")
        self._around.places[name] = self._network.place(name, PORTS[role])
        around = self._around
        if flaw is not None:
            self._flawed.append(self._folders.data / f"model-of-{name}")
            around = replace(around, model=write_flawed_model(self._flawed[-1], flaw))
        added = self._put(name, role, around, version=dynamo)
        added.start()
        if wait:
            self.ready()
        return added

    def remove(self, name: str) -> None:
        component = self._local(name)
        if component.role not in GENERATING:
            raise UsageError(f"{name} cannot be taken away: only workers can")
        self._altered.append(f"{name} was taken away")
        component.retire()
        eventually(
            lambda: not component.running,
            within=DRAINED_WITHIN,
            describe=f"{name} has drained and ended",
            error=DeploymentError,
        )
        component.stop()
        del self.components[name]

    def lose_data(self, name: str) -> None:
        component = self._local(name)
        if component.role not in _STORE:
            raise UsageError(f"{name} stores nothing: only {' and '.join(_STORE)} do")
        if component.running:
            raise UsageError(f"{name} runs: what it stores can be taken away when it has ended")
        shutil.rmtree(self._folders.data / name)

    def replace_member(self, name: str) -> Component:
        from support.etcd import EtcdCluster  # gRPC takes 0.1 s, which only its scenarios should cost

        old, cluster = self._local(name), EtcdCluster(self)
        if old.role != "etcd" or self.spec.etcd_members == 1:
            raise UsageError(f"{name} cannot be replaced: only a member of an etcd cluster can")
        self._altered.append(f"{name} was replaced")
        cluster.forget(name)
        old.stop()
        self.lose_data(name)
        cluster.expect(f"http://{old.place.at(ETCD_PEER)}")
        new = self._put(name, "etcd", replace(self._around, joins=True))
        new.start()
        new.wait_until_up()
        return new

    def instances(self) -> list[Instance]:
        return instances(self._local("frontend-0"))

    def serving_workers(self, request_id: str) -> list[Component]:
        return [worker for worker, (taken, done) in self._logged(request_id).items() if taken > done and worker.running]

    def reached_workers(self, request_id: str) -> list[Component]:
        return [worker for worker, (taken, _) in self._logged(request_id).items() if taken]

    def traces(self, request_id: str) -> str:
        given = [given for given, asked in self._given() if asked == request_id]
        lines = {one.name: one.logs().count(request_id) for one in self._locals("frontend")}
        lines |= {one.name: sum(one.logs().count(each) for each in given) for one in self._locals(*GENERATING)}
        return f"the frontend calls it {', '.join(given) or 'nothing'}; lines with its name: {lines}"

    def aborted(self) -> dict[str, float]:
        asked = dict(self._given())
        found: dict[str, float] = {}
        for worker in self._locals(*GENERATING):
            for at, given in _ABORTED.findall(worker.logs()):
                if given in asked:
                    name = asked[given]
                    found[name] = max(datetime.fromisoformat(at).timestamp(), found.get(name, 0.0))
        return found

    def _given(self) -> list[tuple[str, str]]:
        """Every request that a frontend took: its id there, and the one that its client gave it, in order."""
        logs = [frontend.logs() for frontend in self._locals("frontend")]
        if self.spec.kserve:
            return [(kept, kept) for log in logs for kept in _KEPT.findall(log)]
        return [pair for log in logs for pair in _GIVEN.findall(log)]

    def _logged(self, request_id: str) -> dict[LocalComponent, tuple[int, int]]:
        """How often each worker took the request up, and was done with it, by the runtime's own log lines.

        The frontend gives the request an id of its own (over KServe's protocol it keeps the client's), under which each
        worker logs that it received it and that it has completed it, however it ended (seen in 1.3.1 and 1.4.2, every
        engine, at the default log level).
        """
        given = next((given for given, asked in self._given() if asked == request_id), None)
        if given is None:
            return {}
        taken, done = (f"push_handler: request {word} request_id={given}" for word in ("received", "completed"))
        logs = {worker: worker.logs() for worker in self._locals(*GENERATING)}
        return {worker: (log.count(taken), log.count(done)) for worker, log in logs.items()}

    def ailments(self) -> list[str]:
        found = [*self._altered, *(f"{name} {what}" for name, what in self.casualties().items())]
        if found:
            return found
        try:
            found += self.lacking()
            found += [f"{name} still works on {count:g} requests" for name, count in self.in_flight().items()]
            found += [f"the fault {fault.id} is {fault.state}" for fault in self._injected_faults()]
        except (ConnectionError, FaultError) as failure:
            found.append(str(failure))
        return found

    def _injected_faults(self) -> list[Injected]:
        return self._injected.active() if self._injection else []

    def lacking(self) -> list[str]:
        workers, lists = self._locals(*GENERATING), not self.spec.kserve
        told = (lacking(frontend, workers, self.model, lists=lists) for frontend in self._locals("frontend"))
        return [what for what in told if what]

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

    def lose_injection(self) -> None:
        if self._injection is None:
            raise UsageError("there is no injection service beside this deployment: nothing was asked of it yet")
        self._injection.kill()

    def casualties(self) -> dict[str, str]:
        return {one.name: what for one in self._locals() if (what := one.casualty())}

    def in_flight(self, *roles: Role) -> dict[str, float]:
        asked = self._locals(*(roles or ("frontend", *GENERATING)))
        counts = {one.name: in_flight(one.metrics()) for one in asked if one.running}
        return {name: count for name, count in counts.items() if count}

    def forget(self) -> None:
        """A new scenario begins: logs start anew."""
        for component in self._locals():
            component.forget_logs()

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


def names(spec: DeploymentSpec) -> dict[str, Role]:
    """Names of all components of such a deployment and their roles, in the order in which they start."""
    counts: dict[Role, int] = {"etcd": spec.etcd_members, "nats": 1, "frontend": spec.frontends, **spec.generating}
    prefix = {role: f"{spec.backend}-{role}" for role in spec.generating}
    all_of = {f"{prefix.get(role, role)}-{number}": role for role, count in counts.items() for number in range(count)}
    others: dict[str, Role] = {f"{spec.backend}-{OTHER}-{n}": "worker" for n in range(spec.other_model_workers)}
    return all_of | others


def _environment(home: Path) -> dict[str, str]:
    """A component inherits nothing of the user's environment but where programs are."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return kept | {"HOME": str(home), "TMPDIR": str(home), "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1"}
