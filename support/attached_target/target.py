"""The Kubernetes target for one deployment that is there already, and that its owner has opened to faults."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import httpx

from injector.labels import ALLOWED
from support.attached_target.deployment import AttachedDeployment
from support.attached_target.found import counted, found, read
from support.deployment import Deployment, Target
from support.errors import Unavailable
from support.kubernetes_target import allowed
from support.kubernetes_target.cluster import PROTECTED, Cluster
from support.kubernetes_target.lease import LASTS, Lease, heard_of
from support.kubernetes_target.pods import over
from support.settings import Settings
from support.spec import DeploymentSpec
from support.waiting import eventually

SERVES_WITHIN = 60.0
"""Seconds until a frontend knows of a worker: both may have become ready only now."""
_ANSWERS_WITHIN = 10.0
_LEASE = "dynamo-fault-specs"


class AttachedTarget(Target):
    """Nothing is made there. What scenarios do to it is taken back, or its own controllers heal it: that is awaited."""

    name = "kubernetes"

    def __init__(self, settings: Settings, *, logs: Path) -> None:
        assert settings.attach, "somebody names it"
        self._cluster = Cluster(settings.context)
        self._version = self._cluster.version()
        self._namespace, self._dynamo = settings.attach, settings.dynamo
        _insist_on_consent(self._cluster, self._namespace)
        allowed.insist_attached(self._cluster, self._namespace)
        self._lease = _held(self._cluster, self._namespace)
        try:
            self._attach(settings, logs)
        except BaseException:
            self._lease.give_back()
            raise

    def _attach(self, settings: Settings, logs: Path) -> None:
        pods = self._cluster.await_pods(self._namespace, lambda pods: True, within=0)
        self._pods = [pod for pod in pods.values() if not pod.metadata.deletion_timestamp and not over(pod)]
        self._found = found(self._namespace, self._pods, read(settings.described))
        self._insist_on_settings(settings)
        spec = self._found.spec(dynamo=settings.dynamo)
        self._deployment = AttachedDeployment(
            self._cluster, self._found, spec=spec, url=settings.frontend_url, logs=logs / "attached"
        )
        try:
            self._deployment.begin()
            self._deployment.model = self._found.model or _only_model(self._deployment.base_url)
        except BaseException:
            self._deployment.close()
            raise
        self._busy = False

    def unavailable(self, spec: DeploymentSpec) -> str | None:
        if spec.dynamo != self._dynamo:
            return f"the deployment in {self._namespace} has Dynamo {self._dynamo} (-D dynamo), not {spec.dynamo}"
        return self._found.differs(spec)

    def kernel_elsewhere(self) -> str | None:
        return "the kernel's log of a node of somebody else's is not ours to read"

    def deployment(self, spec: DeploymentSpec) -> Deployment:
        if reason := self.unavailable(spec):
            raise Unavailable(reason)
        if self._busy:
            raise Unavailable(f"the deployment in {self._namespace} is used by another scenario")
        self._deployment.ready()
        self._deployment.forget()
        self._deployment.spec = spec
        self._busy = True
        return self._deployment

    def release(self, deployment: Deployment, *, reuse: bool = True) -> None:
        self._busy = False

    def facts(self) -> dict[str, str]:
        images = {main.image for pod in self._pods for main in pod.spec.containers}
        return {
            "Kubernetes": f"{self._version}, {len(self._cluster.nodes())} nodes"
            if self._sees_nodes()
            else self._version,
            "Context": self._cluster.context,
            "Attached to": f"{self._namespace}: {counted(self._found.roles)}",
            "Images": ", ".join(sorted(images)),
            "Model": self._deployment.model,
            "Python": platform.python_version(),
        }

    def close(self) -> None:
        """Leave it as it was found: as many pods of each role, all ready. DeploymentError when that is not so."""
        try:
            self._deployment.ready()
        finally:
            self._let_go()

    def _let_go(self) -> None:
        self._deployment.close()
        self._lease.give_back()

    def _insist_on_settings(self, settings: Settings) -> None:
        """Where a scenario does not say, it means what the run's settings say. Unavailable when that is not there."""
        for name in ("engine", "request_plane"):
            has = self._found.known.get(name, getattr(settings, name))
            if has != getattr(settings, name):
                raise Unavailable(f"the deployment in {self._namespace} has {name}={has}: say -D {name}={has}")

    def _sees_nodes(self) -> bool:
        return self._cluster.may("list", "nodes")


def _insist_on_consent(cluster: Cluster, namespace: str) -> None:
    """Unavailable for a namespace whose owner has not agreed to faults."""
    if namespace in PROTECTED:
        raise Unavailable(f"{namespace} is the cluster's own: choose another -D attach")
    there: Any = cluster.namespace(namespace)
    if there is None:
        raise Unavailable(f"the cluster of the context {cluster.context} has no namespace {namespace}: see -D attach")
    if (there.metadata.labels or {}).get(ALLOWED) != "true":
        raise Unavailable(
            f"the owner of the namespace {namespace} has not agreed to faults: they would do so by "
            f"'kubectl label namespace {namespace} {ALLOWED}=true'"
        )


def _held(cluster: Cluster, namespace: str) -> Lease:
    """The lease of whoever is attached there. Unavailable while somebody is."""
    there = cluster.lease(namespace, _LEASE)
    if there and heard_of(there):
        raise Unavailable(
            f"another run ({there.spec.holder_identity}) is on the deployment in {namespace}: wait for its end, "
            f"or for {LASTS} s when it is dead"
        )
    lease = Lease(cluster, namespace, _LEASE)
    lease.take(over=there)
    return lease


def _only_model(url: str) -> str:
    """The one that the frontend serves, as soon as it does. Unavailable when it serves none in time, or several."""
    models = eventually(
        lambda: _models(url),
        within=SERVES_WITHIN,
        describe=f"the frontend at {url} serves a model",
        error=Unavailable,
        interval=0.2,
    )
    if len(models) > 1:
        raise Unavailable(
            f"the frontend at {url} serves {', '.join(models)}: name the one to ask for as 'model' in the file of "
            "-D described"
        )
    return models[0]


def _models(url: str) -> list[str]:
    """Unavailable when no frontend answers."""
    try:
        told = httpx.get(f"{url}/v1/models", timeout=_ANSWERS_WITHIN, trust_env=False).raise_for_status().json()
        return [str(one["id"]) for one in told["data"]]
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as failure:
        raise Unavailable(
            f"no frontend answers at {url} ({failure!r}): see FRONTEND_URL or -D frontend_url"
        ) from failure
