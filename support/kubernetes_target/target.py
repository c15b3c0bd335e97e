"""The Kubernetes target: a pool of deployments on a cluster."""

from __future__ import annotations

import platform
from pathlib import Path

from support.errors import Unavailable
from support.kubernetes_target import allowed
from support.kubernetes_target.cluster import Cluster
from support.kubernetes_target.deployment import KubernetesDeployment
from support.kubernetes_target.hosting import Commands
from support.kubernetes_target.load_job import LoadJob
from support.kubernetes_target.manifests import Home
from support.kubernetes_target.run import ClusterRun, sweep
from support.load.plan import LoadPlan
from support.pool import PooledTarget
from support.settings import Settings
from support.spec import DeploymentSpec


class KubernetesTarget(PooledTarget[KubernetesDeployment]):
    """Each deployment in a namespace of its own, all of one run below the run's."""

    name = "kubernetes"

    def __init__(self, settings: Settings, *, logs: Path) -> None:
        super().__init__(fresh=settings.fresh)
        if settings.image is None:
            raise Unavailable("-D target=kubernetes needs -D image=NAME, an image built as README says")
        self._image, self._logs = settings.image, logs
        self._cluster = Cluster(settings.context)
        self._version = self._cluster.version()
        allowed.insist(self._cluster)
        sweep(self._cluster)
        self._run = ClusterRun(self._cluster, prefix=settings.namespace, image=settings.image)
        self._dynamo = settings.dynamo
        self._commands = Commands(settings.lose_node, settings.return_node, settings.lose_api, settings.return_api)
        self._built = 0

    def unavailable(self, spec: DeploymentSpec) -> str | None:
        if spec.engine == "real":
            return "real engines are deployed by Dynamo's operator from your own graph: give -D graph=FILE"
        if spec.dynamo not in self._run.dynamo:
            return f"the image {self._image} has no Dynamo {spec.dynamo}: it has {', '.join(self._run.dynamo)}"
        return None

    def kernel_elsewhere(self) -> str | None:
        here = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        if {node.status.node_info.boot_id for node in self._cluster.nodes()} == {here}:
            return None
        return "the kernel's log of a node cannot be read from here: run the suite on the machine that the nodes are on"

    def facts(self) -> dict[str, str]:
        nodes = self._cluster.nodes()
        return {
            "Dynamo": self._dynamo,
            "Kubernetes": f"{self._version}, {len(nodes)} nodes",
            "Context": self._cluster.context,
            "Image": self._image,
            "Python": platform.python_version(),
        }

    def load(self, plan: LoadPlan, log_dir: Path, *, within: float) -> None:
        """Run a load from inside the cluster (`LoadJob`), which reaches deployments at their `inner_url`.

        within: seconds until every request has ended.
        """
        self._built += 1
        home = Home(f"{self._run.name}-{self._built}", self._run.name, self._image)
        LoadJob(self._cluster, home, self._run.namespace, plan, log_dir).run(within=within)

    def close(self) -> None:
        try:
            super().close()
        finally:
            self._run.close()

    def _new(self, spec: DeploymentSpec) -> KubernetesDeployment:
        self._built += 1
        home = Home(f"{self._run.name}-{self._built}", self._run.name, self._image)
        return KubernetesDeployment(
            spec,
            cluster=self._cluster,
            run=self._run,
            home=home,
            logs=self._logs / f"d{self._built}",
            commands=self._commands,
        )
