"""A deployment as both targets have it: what its components, kept somewhere, say and show of themselves."""

from __future__ import annotations

import itertools
import re
from abc import abstractmethod
from collections.abc import Collection
from datetime import datetime

from support.commands import ETCD_PEER, OTHER, Surroundings
from support.component import KeptComponent
from support.counts import in_flight
from support.deployment import Component, Deployment, Instance
from support.errors import DeploymentError, UsageError
from support.readiness import instances, lacking
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


class KeptDeployment(Deployment):
    """Its components are kept processes, which are asked over HTTP and whose logs are files here."""

    ready_within = READY_WITHIN
    """Seconds until it serves when every component is up."""
    around: Surroundings
    altered: list[str]
    """What was done to it that makes it another one than its spec describes, in words."""

    @abstractmethod
    def _added(self, name: str, role: Role, version: str, flaw: str | None) -> KeptComponent:
        """A new worker of that name, among the components and started. Unavailable for a version that is not there."""

    @abstractmethod
    def _erase(self, name: str) -> None:
        """Take away what that component, which has ended, has stored."""

    @abstractmethod
    def _empty_member(self, name: str) -> KeptComponent:
        """That etcd member, which has ended and lost its data, started anew to join the cluster."""

    def ready(self) -> None:
        for component in self._kept():
            component.wait_until_up()

        def serves() -> bool:
            for component in self._kept():
                component.insist_on_running()
            assert not (lacks := self.lacking()), "; ".join(lacks)
            return True

        eventually(serves, within=self.ready_within, describe=f"{self.spec} is ready", error=DeploymentError)

    def add(self, role: Role, *, dynamo: str | None = None, flaw: str | None = None, wait: bool = True) -> Component:
        if role not in GENERATING:
            raise UsageError(f"a {role} cannot be added: only {', '.join(GENERATING)} can")
        number = next(n for n in itertools.count() if f"{self.spec.backend}-{role}-{n}" not in self.around.places)
        name = f"{self.spec.backend}-{role}-{number}"
        self.altered.append(f"{name} was added")
        added = self._added(name, role, dynamo or self.spec.dynamo, flaw)
        if wait:
            self.ready()
        return added

    def remove(self, name: str) -> None:
        component = self._one(name)
        if component.role not in GENERATING:
            raise UsageError(f"{name} cannot be taken away: only workers can")
        self.altered.append(f"{name} was taken away")
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
        component = self._one(name)
        if component.role not in _STORE:
            raise UsageError(f"{name} stores nothing: only {' and '.join(_STORE)} do")
        if component.running:
            raise UsageError(f"{name} runs: what it stores can be taken away when it has ended")
        self._erase(name)

    def replace_member(self, name: str) -> Component:
        from support.etcd import EtcdCluster  # gRPC takes 0.1 s, which only its scenarios should cost

        if self._one(name).role != "etcd" or self.spec.etcd_members == 1:
            raise UsageError(f"{name} cannot be replaced: only a member of an etcd cluster can")
        cluster = EtcdCluster(self)
        self.altered.append(f"{name} was replaced")
        cluster.forget(name)
        self._one(name).stop()
        self.lose_data(name)
        cluster.expect(f"http://{self.around.places[name].at(ETCD_PEER)}")
        new = self._empty_member(name)
        new.wait_until_up()
        return new

    def instances(self) -> list[Instance]:
        return instances(self._kept("frontend")[0])

    def serving_workers(self, request_id: str) -> list[Component]:
        return [worker for worker, (taken, done) in self._logged(request_id).items() if taken > done and worker.running]

    def reached_workers(self, request_id: str) -> list[Component]:
        return [worker for worker, (taken, _) in self._logged(request_id).items() if taken]

    def traces(self, request_id: str) -> str:
        given = [given for given, asked in self._given() if asked == request_id]
        lines = {one.name: one.logs().count(request_id) for one in self._kept("frontend")}
        lines |= {one.name: sum(one.logs().count(each) for each in given) for one in self._kept(*GENERATING)}
        return f"the frontend calls it {', '.join(given) or 'nothing'}; lines with its name: {lines}"

    def aborted(self) -> dict[str, float]:
        asked = dict(self._given())
        found: dict[str, float] = {}
        for worker in self._kept(*GENERATING):
            for at, given in _ABORTED.findall(worker.logs()):
                if given in asked:
                    name = asked[given]
                    found[name] = max(datetime.fromisoformat(at).timestamp(), found.get(name, 0.0))
        return found

    def _given(self) -> list[tuple[str, str]]:
        """Every request that a frontend took: its id there, and the one that its client gave it, in order."""
        logs = [frontend.logs() for frontend in self._kept("frontend")]
        if self.spec.kserve:
            return [(kept, kept) for log in logs for kept in _KEPT.findall(log)]
        return [pair for log in logs for pair in _GIVEN.findall(log)]

    def _logged(self, request_id: str) -> dict[KeptComponent, tuple[int, int]]:
        """How often each worker took the request up, and was done with it, by the runtime's own log lines.

        The frontend gives the request an id of its own (over KServe's protocol it keeps the client's), under which each
        worker logs that it received it and that it has completed it, however it ended (seen in 1.3.1 and 1.4.2, every
        engine, at the default log level).
        """
        given = next((given for given, asked in self._given() if asked == request_id), None)
        if given is None:
            return {}
        taken, done = (f"push_handler: request {word} request_id={given}" for word in ("received", "completed"))
        logs = {worker: worker.logs() for worker in self._kept(*GENERATING)}
        return {worker: (log.count(taken), log.count(done)) for worker, log in logs.items()}

    def ailments(self) -> list[str]:
        found = [*self.altered, *(f"{name} {what}" for name, what in self.casualties().items())]
        if found:
            return found
        try:
            found += self.lacking()
            found += [f"{name} still works on {count:g} requests" for name, count in self.in_flight().items()]
        except ConnectionError as failure:
            found.append(str(failure))
        return found

    def lacking(self) -> list[str]:
        workers, lists = self._kept(*GENERATING), not self.spec.kserve
        told = (lacking(frontend, workers, self.model, lists=lists) for frontend in self._kept("frontend"))
        return [what for what in told if what]

    def casualties(self) -> dict[str, str]:
        return {one.name: what for one in self._kept() if (what := one.casualty())}

    def in_flight(self, *roles: Role, may_be_silent: Collection[str] = ()) -> dict[str, float]:
        counts = {}
        for one in self._kept(*(roles or ("frontend", *GENERATING))):
            try:
                counts[one.name] = in_flight(one.metrics()) if one.running else 0
            except ConnectionError:
                if one.name not in may_be_silent:
                    raise
        return {name: count for name, count in counts.items() if count}

    def forget(self) -> None:
        """A new scenario begins: logs start anew."""
        for component in self._kept():
            component.forget_logs()

    def _one(self, name: str) -> KeptComponent:
        component = self.component(name)
        assert isinstance(component, KeptComponent)
        return component

    def _kept(self, *roles: Role) -> list[KeptComponent]:
        """Its components of these roles, or all."""
        return [self._one(name) for name, one in self.components.items() if not roles or one.role in roles]


def names(spec: DeploymentSpec) -> dict[str, Role]:
    """Names of all components of such a deployment and their roles, in the order in which they start."""
    counts: dict[Role, int] = {"etcd": spec.etcd_members, "nats": 1, "frontend": spec.frontends, **spec.generating}
    prefix = {role: f"{spec.backend}-{role}" for role in spec.generating}
    all_of = {f"{prefix.get(role, role)}-{number}": role for role, count in counts.items() for number in range(count)}
    others: dict[str, Role] = {f"{spec.backend}-{OTHER}-{n}": "worker" for n in range(spec.other_model_workers)}
    return all_of | others
