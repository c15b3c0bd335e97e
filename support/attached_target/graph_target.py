"""The Kubernetes target for a deployment that Dynamo's operator makes of the user's graph."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from support.attached_target.graph import Graph
from support.attached_target.target import AttachedTarget
from support.errors import Unavailable
from support.kubernetes_target import allowed, manifests
from support.kubernetes_target.cluster import Cluster
from support.kubernetes_target.manifests import Home
from support.kubernetes_target.run import ClusterRun, sweep
from support.settings import Settings


class GraphTarget(AttachedTarget):
    """One deployment for the whole run, in a namespace that the run owns and takes away at its end, or its reaper.

    It is the user's in its shape, and its pods are the operator's: what scenarios can do to it is what they can do to
    one that is there already.
    """

    def __init__(self, settings: Settings, *, logs: Path) -> None:
        assert settings.graph, "somebody names it"
        graph = Graph.read(settings.graph)
        if settings.image is None:
            raise Unavailable(
                "-D graph needs -D image=NAME too, an image built as README says: a pod of it deletes all"
            )
        cluster = Cluster(settings.context)
        graph.insist_on_operator(cluster)
        allowed.insist(cluster, allowed.GRAPH)
        sweep(cluster)
        self._run = ClusterRun(cluster, prefix=settings.namespace, image=settings.image)
        try:
            home = Home(f"{self._run.name}-1", self._run.name, settings.image)
            cluster.make(manifests.namespace(home, self._run.namespace))
            graph.make(cluster, home)
            # Whatever FRONTEND_URL says: it is no frontend of this one.
            super().__init__(replace(settings, attach=home.namespace, frontend_url=None), logs=logs)
        except BaseException:
            self._run.close()
            raise

    def close(self) -> None:
        try:
            self._let_go()
        finally:
            self._run.close()
