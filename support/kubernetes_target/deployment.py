"""A deployment on a cluster: StatefulSets of etcd, NATS, frontends and workers in a namespace of its own."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from support.commands import GRPC, HTTP, Surroundings
from support.component import KeptComponent
from support.deployment import Component
from support.errors import DeploymentError, FaultError, UsageError
from support.kept_deployment import names
from support.kubernetes_target import manifests
from support.kubernetes_target.cluster import Cluster
from support.kubernetes_target.component import PodComponent
from support.kubernetes_target.hosting import Commands, Hosting
from support.kubernetes_target.in_image import DATA, MODEL, programs
from support.kubernetes_target.in_namespace import NamespacedDeployment
from support.kubernetes_target.log import PodLog
from support.kubernetes_target.manifests import Home, command_of, set_of, told_to
from support.kubernetes_target.pods import container_runs, event_line, hopeless, waits_for
from support.kubernetes_target.process import PodProcess
from support.kubernetes_target.reach import Reach
from support.kubernetes_target.run import ClusterRun
from support.model import MODEL_NAME, ModelFolder
from support.place import Place
from support.spec import DeploymentSpec, Role
from support.waiting import scaled

RUNS_WITHIN = 120.0
"""Seconds until every pod's container runs; the first on a node may wait for the image."""
BEGINS_WITHIN = 60.0
"""Seconds that a component then waits for etcd and NATS."""
_NO_ADDRESS = "0.0.0.0"
_NO_COMMANDS = Commands()


class KubernetesDeployment(NamespacedDeployment):
    """Made by its constructor as far as every component being started; `ready` waits for the rest."""

    def __init__(
        self,
        spec: DeploymentSpec,
        *,
        cluster: Cluster,
        run: ClusterRun,
        home: Home,
        logs: Path,
        commands: Commands = _NO_COMMANDS,
    ) -> None:
        """home: whose namespace is made, and deleted by `close`. logs: a folder."""
        self.spec = spec
        self.model = MODEL_NAME
        self.components: dict[str, Component] = {}
        self.altered = []
        super().__init__(cluster)
        self.home, self._logs = home, logs
        self._hosting = Hosting(cluster, home, commands, direct=lambda: self._reach.direct)
        self._closed = False
        self._reach = Reach(cluster, home.namespace)
        logs.mkdir(parents=True, exist_ok=True)
        places = {name: _place(name) for name in names(spec)}
        self.around = Surroundings(spec, places, MODEL, DATA, programs(run.dynamo, home.image))
        wanted = manifests.deployment(home, self.around)  # first: what is missing is told before anything is made
        cluster.make(manifests.namespace(home, run.namespace))
        try:
            for manifest in wanted:
                cluster.make(manifest)
            self._open(names(spec), spec.dynamo)
            self._reach.try_out(self.frontend.address, HTTP)
            self._shared = self._reach.service(manifests.FRONTENDS) if spec.behind_one_address else None
        except BaseException:
            self.close()
            raise

    # Each time anew: another pod has another address.

    @property
    def base_urls(self) -> list[str]:  # type: ignore[override]  # elsewhere it is a constant, which tests may change
        if self._shared:
            return [f"http://{self._shared}"]
        return [f"http://{one.at(HTTP)}" for one in self._kept("frontend")]

    @property
    def base_url(self) -> str:  # type: ignore[override]  # the same
        return self.base_urls[0]

    @property
    def inner_url(self) -> str:
        """Where clients in the cluster reach its frontends."""
        return f"http://{manifests.FRONTENDS}.{self.home.namespace}:{HTTP}"

    @property
    def kserve_address(self) -> str:  # type: ignore[override]  # the same
        return self._one("frontend-0").at(GRPC)

    @property
    def namespace(self) -> str:
        return self.home.namespace

    def hosting(self) -> Hosting:
        return self._hosting

    def lose_injection(self) -> None:
        if self._injection is None:
            raise UsageError("nothing was asked of the injection service yet")
        self._injection.kill()

    def ailments(self) -> list[str]:
        found = super().ailments()
        if found or not self._injection:
            return found
        try:
            return [f"the fault {fault.id} is {fault.state}" for fault in self._injection.service.active()]
        except FaultError as silent:
            return [str(silent)]

    def close(self) -> None:
        """Begin to take its namespace away; the run's end waits until it is gone."""
        if self._closed:
            return
        self._closed = True
        with suppress(DeploymentError):  # evidence of what was; what counts is that it goes
            said = self._cluster.events(self.home.namespace)
            (self._logs / "events.txt").write_text("".join(event_line(one) for one in said))
        for component in self._kept():
            assert isinstance(component, PodComponent)
            component.pod.disconnect()
        self._reach.close()
        if self._injection:
            self._injection.close()
        self._cluster.delete_namespace(self.home.namespace, grace=1)

    def _open(self, wanted: dict[str, Role], version: str) -> None:
        """Take up what has been made: return when all of these are started."""
        pods = self._running(list(wanted))
        made = {
            name: self._component(name, role, version, self._process(name), self.around)
            for name, role in wanted.items()
        }
        self.components |= made
        with ThreadPoolExecutor(max_workers=8) as opening:
            list(opening.map(lambda one: one.pod.connect(pods[one.name]), made.values()))
        for one in made.values():
            one.pod.begun(within=BEGINS_WITHIN)

    def _running(self, wanted: Sequence[str]) -> dict[str, Any]:
        """The pods of these names, when each has a container that runs. DeploymentError, with the reason."""

        def run(pods: dict[str, Any]) -> bool:
            for name in wanted:
                if name in pods and (reason := hopeless(pods[name])):
                    raise DeploymentError(f"the pod {name} cannot run: {reason}")
            return all(container_runs(pods.get(name)) for name in wanted)

        pods = self._cluster.await_pods(self.home.namespace, run, within=RUNS_WITHIN)
        if run(pods):
            return pods
        reasons = [
            f"{name}: {waits_for(pods[name]) if name in pods else 'there is no such pod'}"
            for name in wanted
            if not container_runs(pods.get(name))
        ]
        reasons += self._cluster.warnings(self.home.namespace)[-2:]
        raise DeploymentError(f"not every pod runs within {scaled(RUNS_WITHIN):g} s: {'; '.join(reasons)}")

    def _process(self, name: str) -> PodProcess:
        log = PodLog(self._cluster, self.home.namespace, name, self._logs / f"{name}.log")
        return PodProcess(self._cluster, self.home.namespace, name, log)

    def _component(
        self, name: str, role: Role, version: str, process: PodProcess, around: Surroundings
    ) -> PodComponent:
        return PodComponent(
            name,
            role,
            process=process,
            reach=self._reach,
            command=lambda version: command_of(name, role, around, version),
            version=version,
            log=self._logs / f"{name}.log",
        )

    def _added(self, name: str, role: Role, version: str, flaw: str | None) -> KeptComponent:
        self.around.places[name] = _place(name)
        around = replace(self.around, spec=self.spec.but(dynamo=version))
        self._tell({name: told_to(name, role, around, starts=flaw is None)})
        count = 1 + max(int(one.rpartition("-")[2]) for one in self.around.places if set_of(one) == set_of(name))
        made = manifests.stateful_set(self.home, set_of(name), role, count)
        if count == 1:
            self._cluster.make(made)
        else:
            self._cluster.patch(made)
        if flaw is None:
            self._open({name: role}, version)
        else:
            self._open_flawed(name, role, version, flaw)
        return self._one(name)

    def _open_flawed(self, name: str, role: Role, version: str, flaw: str) -> None:
        pods = self._running([name])
        process = self._process(name)
        process.connect(pods[name])
        process.await_keeper(within=BEGINS_WITHIN)
        flawed = replace(self.around, model=ModelFolder.below(Path(process.flaw_model(flaw))))
        added = self._component(name, role, version, process, flawed)
        self.components[name] = added
        added.run_as(version)
        added.start()

    def _erase(self, name: str) -> None:
        self._pod(name).pod.erase()

    def _empty_member(self, name: str) -> KeptComponent:
        member, joins = self._pod(name), replace(self.around, joins=True)
        told = command_of(name, "etcd", joins, self.spec.dynamo)
        self._tell({name: told_to(name, "etcd", joins)})
        member.process.run_next(told.argv, told.environment)
        member.start()
        return member

    def _tell(self, told: dict[str, str]) -> None:
        self._cluster.patch(manifests.components(self.home, told))

    def _pod(self, name: str) -> PodComponent:
        component = self.component(name)
        assert isinstance(component, PodComponent)
        return component


def _place(name: str) -> Place:
    """The deployment's own names, as the cluster's name server has them within the namespace."""
    return Place(f"{name}.{manifests.PEERS}", listens=_NO_ADDRESS)
