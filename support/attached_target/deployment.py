"""A deployment that somebody else keeps, as scenarios know one."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from support.attached_target.component import BACK_WITHIN, AttachedComponent, refuse
from support.attached_target.found import Found, port_of
from support.attached_target.process import AttachedProcess
from support.attached_target.seats import Seat, Seats
from support.commands import HTTP
from support.component import KeptComponent
from support.deployment import Component
from support.errors import DeploymentError, FaultError, Unavailable, UsageError
from support.injection import InjectionService
from support.kubernetes_target.cluster import Cluster
from support.kubernetes_target.in_namespace import NamespacedDeployment
from support.kubernetes_target.log import PodLog
from support.kubernetes_target.reach import Reach
from support.spec import DeploymentSpec, Role

if TYPE_CHECKING:
    from support.kubernetes_target.hosting import Hosting


class AttachedDeployment(NamespacedDeployment):
    """From its constructor to `close`, which lets go of it. The scenarios use it in turn."""

    ready_within = BACK_WITHIN

    def __init__(self, cluster: Cluster, found: Found, *, spec: DeploymentSpec, url: str | None, logs: Path) -> None:
        """url: where clients reach a frontend; None: at its pod. logs: a folder."""
        super().__init__(cluster)
        self.spec, self.model = spec, ""
        self.altered: list[str] = []
        self.components: dict[str, Component] = {}
        self.kserve_address = ""
        self._found, self._url, self._logs = found, url, logs
        self._reach = Reach(cluster, found.namespace)
        self._uninstalled: str | None = None
        logs.mkdir(parents=True, exist_ok=True)
        self._logs_of = {
            name: PodLog(cluster, found.namespace, name, logs / f"{name}.log", since=self._taken)
            for name in found.roles
        }
        self.seats = Seats([Seat(name, role) for name, role in found.roles.items()], self._follow)
        for name, role in found.roles.items():
            self.components[name] = self._component(name, role)

    @property
    def namespace(self) -> str:
        return self._found.namespace

    def begin(self) -> None:
        """Look at its pods, and go on looking. DeploymentError when the cluster does not answer."""
        self._cluster.await_pods(self.namespace, self._taken_in, within=0)
        self.seats.watch(self._cluster, self.namespace)
        frontend = self.frontend
        assert isinstance(frontend, AttachedComponent)
        pod = self.seats.of["frontend-0"].pod
        self._reach.try_out(frontend.address, port_of(pod, HTTP))

    @property
    def base_urls(self) -> list[str]:  # type: ignore[override]  # elsewhere it is a constant, which tests may change
        pods = [f"http://{one.at(HTTP)}" for one in self._kept("frontend")]
        return [self._url, *pods[1:]] if self._url else pods

    @property
    def base_url(self) -> str:  # type: ignore[override]  # the same
        return self._url or f"http://{self._one('frontend-0').at(HTTP)}"

    def forget(self) -> None:
        super().forget()
        for seat in self.seats.of.values():
            seat.ends.clear()

    def lose_injection(self) -> None:
        refuse("the injection service is killed")

    def hosting(self) -> Hosting:
        refuse("something is done to pods and nodes")

    def component(self, name: str) -> Component:
        if name not in self.components and name.partition("-")[0] in ("etcd", "nats"):
            refuse(f"no pod in {self.namespace} is {name}")
        return super().component(name)

    def add(self, role: Role, *, dynamo: str | None = None, flaw: str | None = None, wait: bool = True) -> Component:
        refuse(f"a {role} is added")

    def remove(self, name: str) -> None:
        refuse(f"{name} is taken away")

    def lose_data(self, name: str) -> None:
        refuse(f"{name} loses its data")

    def replace_member(self, name: str) -> Component:
        refuse(f"{name} is replaced")

    def close(self) -> None:
        """End what we did to it, and let go. Safe to call twice."""
        self.seats.close()
        for component in self._kept():
            with suppress(FaultError, DeploymentError, UsageError):
                component.stop()
        for log in self._logs_of.values():
            log.close()
        self._reach.close()
        if self._injection:
            self._injection.close()
            self._injection = None

    def _taken_in(self, pods: dict[str, object]) -> bool:
        self.seats.take(pods)
        return True

    def _follow(self, seat: Seat) -> None:
        if seat.container:
            self._logs_of[seat.name].follow(seat.pod)

    def _component(self, name: str, role: Role) -> AttachedComponent:
        process = AttachedProcess(self._cluster, self.namespace, self.seats.of[name], self._installed)
        return AttachedComponent(
            name,
            role,
            process=process,
            reach=self._reach,
            version=self.spec.dynamo,
            log=self._logs / f"{name}.log",
        )

    def _installed(self) -> InjectionService | None:
        """The injection service, where there is one."""
        if self._uninstalled is None:
            try:
                return self.injection()
            except Unavailable as reason:
                self._uninstalled = str(reason)
        return None

    def pod_of(self, name: str) -> str:
        seat = self.seats.of.get(name)
        return seat.pod.metadata.name if seat and seat.pod else name

    def _added(self, name: str, role: Role, version: str, flaw: str | None) -> KeptComponent:
        self._not_ours()

    def _erase(self, name: str) -> None:
        self._not_ours()

    def _empty_member(self, name: str) -> KeptComponent:
        self._not_ours()

    def _not_ours(self) -> NoReturn:
        refuse("the deployment is changed")
