"""A deployment that Dynamo's operator makes of the user's graph, in a namespace of the run's own.

The file has one DynamoGraphDeployment (of any version: nvidia.com/v1alpha1, v1beta1) and what that needs beside it in
its namespace. What the operator makes of it is found, struck and read as a deployment that is there already.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubernetes import client

from support.attached_target.yaml_file import documents
from support.errors import DeploymentError, Unavailable, UsageError
from support.kubernetes_target.cluster import Cluster, Manifest
from support.kubernetes_target.manifests import Home
from support.kubernetes_target.offers import GRAPHS, GROUP
from support.kubernetes_target.pods import container_runs, hopeless, waits_for
from support.waiting import eventually

KIND = "DynamoGraphDeployment"
BESIDE = {
    "ConfigMap": "v1",
    "PersistentVolumeClaim": "v1",
    "Secret": "v1",
    "Service": "v1",
    "ServiceAccount": "v1",
    "Deployment": "apps/v1",
    "StatefulSet": "apps/v1",
}
"""Kinds of objects that may stand beside a graph, and their versions."""
MADE_WITHIN = 1200.0
"""Seconds until the operator says that all of it serves: images of engines are pulled, and models loaded."""
_DONE = "successful"
"""The operator's word for a graph that serves."""
_LOOKS_AT_PODS = 10.0
"""Seconds of a watch on the graph, after which its pods are asked whether they can ever run."""


@dataclass(frozen=True)
class Graph:
    """What the user's file says."""

    file: Path
    body: Manifest
    beside: Sequence[Manifest]
    """In the order of the file."""

    @classmethod
    def read(cls, file: Path) -> Graph:
        """UsageError, naming the document and what is possible."""
        told = documents("graph", file)
        for number, one in enumerate(told, start=1):
            _insist_on_object(f"-D graph={file}: document {number}", one)
        graphs = [one for one in told if one["kind"] == KIND]
        if len(graphs) != 1:
            raise UsageError(f"-D graph={file}: it has {len(graphs)} objects of the kind {KIND}, and must have one")
        return cls(file, graphs[0], [one for one in told if one["kind"] != KIND])

    @property
    def name(self) -> str:
        return str(self.body["metadata"]["name"])

    def insist_on_operator(self, cluster: Cluster) -> None:
        """Unavailable where nobody makes anything of it."""
        version = self.body["apiVersion"].partition("/")[2]
        if not cluster.serves(GROUP, version, GRAPHS):
            raise Unavailable(
                f"the cluster of the context {cluster.context} knows no {KIND} of {GROUP}/{version}: "
                "-D graph needs Dynamo's operator there"
            )

    def make(self, cluster: Cluster, home: Home) -> None:
        """In that namespace, and return when the operator says that it serves. DeploymentError, with the reason."""
        for one in self.beside:
            cluster.make(_placed(one, home.namespace))
        body = _placed(self.body, home.namespace)
        cluster.make_custom(GRAPHS, body)
        eventually(
            lambda: self._serves(cluster, body),
            within=MADE_WITHIN,
            describe=f"the graph {self.name} serves",
            error=DeploymentError,
            last_seen=lambda: "; ".join(self._reasons(cluster, body)),
        )

    def _serves(self, cluster: Cluster, body: Manifest) -> bool:
        """Whether it does, or does a while later. DeploymentError for what does not go away by itself."""
        seen = cluster.await_custom(GRAPHS, body, lambda one: _state_of(one) == _DONE, within=_LOOKS_AT_PODS)
        for name, pod in _pods(cluster, body).items():
            if why := hopeless(pod, crashing=False):
                raise DeploymentError(f"the graph {self.name} cannot be deployed: {name}: {why}")
        return _state_of(seen) == _DONE

    def _reasons(self, cluster: Cluster, body: Manifest) -> list[str]:
        """Why it does not serve: what the operator says, what its pods wait for, and what the cluster warns of."""
        seen = cluster.await_custom(GRAPHS, body, lambda one: True, within=0)
        conditions = [one for one in seen.get("status", {}).get("conditions", []) if one["status"] != "True"]
        return [
            f"the operator calls it {_state_of(seen) or 'nothing yet'}",
            *(f"{one['type']}: {one.get('message') or one.get('reason')}" for one in conditions),
            *(f"{name}: {waits_for(pod)}" for name, pod in _pods(cluster, body).items() if not container_runs(pod)),
            *cluster.warnings(body["metadata"]["namespace"])[-2:],
        ]


def _insist_on_object(where: str, told: Any) -> None:
    """UsageError for what is no object that may stand in such a file."""
    metadata = told.get("metadata") if isinstance(told, dict) else None
    named = isinstance(metadata, dict) and metadata.get("name")
    if not (named and told.get("apiVersion") and told.get("kind")):
        raise UsageError(f"{where} is no object of Kubernetes: it needs apiVersion, kind, and metadata with a name")
    kind, version = told["kind"], str(told["apiVersion"])
    if kind == KIND:
        if not version.startswith(f"{GROUP}/"):
            raise UsageError(f"{where}: a {KIND} has apiVersion {GROUP}/v1alpha1 or a later one, not {version}")
    elif BESIDE.get(str(kind)) != version:
        can = ", ".join(f"{kind} ({version})" for kind, version in BESIDE.items())
        raise UsageError(f"{where}: a {kind} of {version} cannot stand beside a graph: there may be {can}")
    else:
        _insist_on_fields(where, told)


def _insist_on_fields(where: str, told: Manifest) -> None:
    """UsageError for what the client does not know, and would leave out, or does not take."""
    try:
        taken = getattr(client, f"V1{told['kind']}").from_dict(told).to_dict(serialize=True)
    except ValueError as problem:
        raise UsageError(f"{where}: {' '.join(str(problem).split())}") from problem
    if unknown := list(_left_out(told, taken)):
        raise UsageError(f"{where}: nobody knows the field {unknown[0]} of a {told['kind']}")


def _left_out(told: Any, taken: Any, path: str = "") -> Iterator[str]:
    """Paths of what is told and was not taken."""
    if isinstance(told, dict) and isinstance(taken, dict):
        for name, value in told.items():
            below = f"{path}.{name}" if path else str(name)
            if name in taken:
                yield from _left_out(value, taken[name], below)
            elif value is not None:
                yield below
    if isinstance(told, list) and isinstance(taken, list):
        for number, (one, its) in enumerate(zip(told, taken, strict=True)):
            yield from _left_out(one, its, f"{path}[{number}]")


def _placed(manifest: Manifest, namespace: str) -> Manifest:
    """The same in that namespace, whatever it says itself."""
    return manifest | {"metadata": manifest["metadata"] | {"namespace": namespace}}


def _state_of(graph: Any) -> str:
    return str(graph.get("status", {}).get("state", ""))


def _pods(cluster: Cluster, body: Manifest) -> dict[str, Any]:
    """Of its namespace."""
    return cluster.await_pods(body["metadata"]["namespace"], lambda pods: True, within=0)
