"""A run on a cluster: a namespace that owns all others of the run, a lease that says it lives, and a reaper."""

from __future__ import annotations

import json
import secrets
from collections.abc import Container
from datetime import UTC, datetime, timedelta
from typing import Any

from support.errors import DeploymentError, Unavailable
from support.kubernetes_target.cluster import PROTECTED, Cluster, Manifest
from support.kubernetes_target.in_image import digest
from support.kubernetes_target.labels import CLOSED_BY, RUN
from support.kubernetes_target.lease import LASTS, Lease, heard_of
from support.kubernetes_target.manifests import closing
from support.kubernetes_target.pods import CONTAINER, container_runs, hopeless, waits_for
from support.kubernetes_target.reaper import LEASE
from support.settings import ROOT

OWNER = "dynamo-fault-specs/owner"
"""Label of a run's own namespace."""
STARTS_WITHIN = 120.0
"""Seconds for the reaper's pod, which may be the first on its node that needs the image."""
GONE_WITHIN = 90.0
_REAPER = "reaper"


class ClusterRun:
    """From its constructor to `close`, or to its lease's end."""

    def __init__(self, cluster: Cluster, *, prefix: str, image: str) -> None:
        """prefix: of the names of its namespaces. Unavailable for an image that cannot be used."""
        if prefix in PROTECTED:
            raise Unavailable(f"{prefix} is the cluster's own: choose another -D namespace to name ours after")
        self._cluster, self._image = cluster, image
        self.name = f"{prefix}-{secrets.token_hex(4)}"
        self.namespace = cluster.make(_own_namespace(self.name))
        self._lease = Lease(cluster, self.name, LEASE)
        """The reaper waits for as long as the cluster is away. So long after a run's death, and a little, all goes."""
        try:
            self._lease.take()
            for manifest in _reaper(self.name, image):
                cluster.make(manifest)
            self.dynamo = self._usable(self._awaited_reaper())
            """Versions of Dynamo that the image has."""
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Delete all of it, and return when it is gone. DeploymentError when it is not. Safe to call twice."""
        self._lease.let_go()
        try:
            for one in self._cluster.namespaces(f"{RUN}={self.name}"):
                self._cluster.delete_namespace(one.metadata.name, grace=1)
            left = self._cluster.await_gone(f"{RUN}={self.name}", within=GONE_WITHIN)
        except DeploymentError as failure:
            raise DeploymentError(
                f"{failure}; the namespaces of {self.name} could not be deleted and go by themselves when the lease "
                f"of the run is over, {LASTS} s after the cluster is back"
            ) from failure
        if left:
            raise DeploymentError(
                f"the namespaces {', '.join(left)} were deleted and are still there after {GONE_WITHIN:g} s: "
                "'kubectl describe namespace' says what they wait for"
            )

    def _awaited_reaper(self) -> Any:
        def runs(pods: dict[str, Any]) -> bool:
            for pod in pods.values():
                if reason := hopeless(pod):
                    raise Unavailable(f"{reason}: see that -D image names one that every node has or can pull")
            return any(container_runs(pod) for pod in pods.values())

        pods = self._cluster.await_pods(self.name, runs, within=STARTS_WITHIN)
        if not runs(pods):
            why = "; ".join([*(waits_for(pod) for pod in pods.values()), *self._cluster.warnings(self.name)[-1:]])
            raise Unavailable(f"no pod starts on the cluster within {STARTS_WITHIN:g} s: {why or 'nobody says why'}")
        return next(iter(pods.values()))

    def _usable(self, reaper: Any) -> list[str]:
        """Versions of Dynamo of the image, which is the reaper's too. Unavailable when it is not of this project."""
        with self._cluster.asked():
            log = self._cluster.log(self.name, reaper.metadata.name, follow=True)
            first = next(iter(log), b"")
            log.close()
        try:
            told = json.loads(first)
        except ValueError:
            raise Unavailable(
                f"the image {self._image} is not one of this project (it said {first[:80]!r}): build it as README says"
            ) from None
        if told["digest"] != digest(ROOT):
            raise Unavailable(f"the image {self._image} was built from another state of this project: build it anew")
        versions: list[str] = told["dynamo"]
        return versions


def sweep(cluster: Cluster) -> list[str]:
    """Take away what dead runs have left: namespaces that no reaper has deleted yet, and nodes that they have closed.

    Returns what was done, a clause each.
    """
    deleted, living = [], set[str]()
    for one in cluster.namespaces(OWNER):
        name = one.metadata.name
        if not _dead(cluster, one):
            living.add(name)
        elif one.status.phase != "Terminating":
            for owned in cluster.namespaces(f"{RUN}={name}"):
                cluster.delete_namespace(owned.metadata.name, grace=1)
            deleted.append(f"deleted the namespace {name} and its own")
    return [*deleted, *(f"let pods onto {node} again" for node in _open_nodes(cluster, living))]


def _open_nodes(cluster: Cluster, living: Container[str]) -> list[str]:
    """Those that runs have closed which are not among the living."""
    if not (cluster.may("list", "nodes") and cluster.may("patch", "nodes")):
        return []  # nor could whoever has no such right have closed one
    closed = [(one, (one.metadata.annotations or {}).get(CLOSED_BY)) for one in cluster.nodes()]
    found = [node for node, run in closed if run and run not in living]
    for node in found:
        cluster.patch(closing(node.metadata.name, by=None))
    return [node.metadata.name for node in found if node.spec.unschedulable]


def _dead(cluster: Cluster, namespace: Any) -> bool:
    if lease := cluster.lease(namespace.metadata.name, LEASE):
        return not heard_of(lease, durations=2)
    return bool(datetime.now(UTC) - namespace.metadata.creation_timestamp > timedelta(seconds=2 * LASTS))


def _own_namespace(name: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {OWNER: "true", RUN: name}}}


def _reaper(run: str, image: str) -> list[Manifest]:
    """The only namespaced right of its kind: deleting a namespace is asked inside of it (RBAC, "namespaces")."""
    metadata = {"name": _REAPER, "namespace": run}
    rules = [
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": [LEASE], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["namespaces"], "resourceNames": [run], "verbs": ["delete"]},
    ]
    rbac = "rbac.authorization.k8s.io"
    pod = {
        "serviceAccountName": _REAPER,
        "restartPolicy": "OnFailure",
        "terminationGracePeriodSeconds": 1,
        "containers": [
            {
                "name": CONTAINER,
                "image": image,
                "imagePullPolicy": "IfNotPresent",
                "command": ["python3", "-m", "support.kubernetes_target.reaper"],
            }
        ],
    }
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": metadata, "rules": rules},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": _REAPER},
            "subjects": [{"kind": "ServiceAccount", "name": _REAPER, "namespace": run}],
        },
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": metadata,
            "spec": {"backoffLimit": 1000, "template": {"spec": pod}},
        },
    ]
