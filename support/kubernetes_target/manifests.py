"""What a deployment is made of on a cluster, as manifests."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from injector.labels import ALLOWED, KEPT, ROLE
from support.commands import ETCD_CLIENT, HTTP, NATS_MONITOR, UP, Command, Surroundings, command
from support.kept_deployment import names
from support.kubernetes_target.cluster import Manifest
from support.kubernetes_target.in_image import COMMANDS, DATA
from support.kubernetes_target.labels import CLOSED_BY, MAY_BE_LOST, RUN, SET
from support.kubernetes_target.pods import CONTAINER
from support.spec import GENERATING, Role

PEERS = "peers"
"""The service by which components find each other: etcd-0.peers."""
FRONTENDS = "frontend"
"""The service that all frontends stand behind."""
TOLD = "components"
"""The ConfigMap with what each component runs."""
ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
    "HOME": str(DATA),
    "TMPDIR": str(DATA),
    "LANG": "C.UTF-8",
    "PYTHONUNBUFFERED": "1",
}
_ELSEWHERE = {
    "preferredDuringSchedulingIgnoredDuringExecution": [
        {"weight": 100, "preference": {"matchExpressions": [{"key": MAY_BE_LOST, "operator": "DoesNotExist"}]}}
    ]
}
"""Than on nodes that may be lost: a scenario that loses one is about the workers there."""
PATIENCE = 10.0
"""Seconds that whoever starts with its deployment waits for every member of etcd. Dynamo 1.4.2 that asks a member which
does not listen yet ends ("BackendUnknown: ... tcp connect error"), though others would answer."""
_GRACE = 30
"""Seconds that a pod which is deleted has to end, as Kubernetes has it where nobody says."""


@dataclass(frozen=True)
class Home:
    """Where a deployment's objects go."""

    namespace: str
    run: str
    """Name of the run's own namespace."""
    image: str


def namespace(home: Home, owner: Any) -> Manifest:
    """Of a deployment. owner: the run's namespace (V1Namespace), with which this one goes."""
    owned = {"apiVersion": "v1", "kind": "Namespace", "name": owner.metadata.name, "uid": owner.metadata.uid}
    metadata = {"name": home.namespace, "labels": {RUN: home.run, ALLOWED: "true"}, "ownerReferences": [owned]}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def deployment(home: Home, around: Surroundings) -> list[Manifest]:
    """Everything of it, in an order in which it can be made."""
    roles = names(around.spec)
    told = {name: told_to(name, role, around, patience=PATIENCE) for name, role in roles.items()}
    sets = Counter(set_of(name) for name in roles)
    role_of = {set_of(name): role for name, role in roles.items()}
    return [
        components(home, told),
        _service(home, PEERS, {}, reached="by name"),
        _service(
            home, FRONTENDS, {SET: "frontend"}, reached="NodePort" if around.spec.behind_one_address else "ClusterIP"
        ),
        *(stateful_set(home, one, role_of[one], count) for one, count in sets.items()),
    ]


def set_of(name: str) -> str:
    """Of the StatefulSet whose pod a component is: "vllm-worker" of "vllm-worker-0"."""
    return name.rpartition("-")[0]


def components(home: Home, told: Mapping[str, str]) -> Manifest:
    """The ConfigMap of what components run, or as much of it as changes."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": _metadata(home, TOLD), "data": dict(told)}


def told_to(name: str, role: Role, around: Surroundings, *, starts: bool = True, patience: float = 0.0) -> str:
    """What its keeper is told (`keeper.Keeper.keep`). starts: or it waits until it is told to.

    patience: seconds in which it waits for every member of etcd; after them one will do.
    """
    told = command_of(name, role, around, around.spec.dynamo)
    kept = {"argv": told.argv, "environment": told.environment, "restart": around.spec.restart, "starts": starts}
    return json.dumps(kept | {"needs": _needs(role, around), "patience": patience}, indent=1)


def command_of(name: str, role: Role, around: Surroundings, version: str) -> Command:
    """What it runs as that version of Dynamo. Unavailable when the image has not got that."""
    told = command(name, role, replace(around, spec=around.spec.but(dynamo=version)))
    return replace(told, environment=ENVIRONMENT | told.environment)


def _needs(role: Role, around: Surroundings) -> list[list[str]]:
    """Of each group one must answer before a component is started for the first time, and all if they do in time."""
    if role in ("etcd", "nats"):
        return []
    etcds = [f"http://{around.places[etcd].at(ETCD_CLIENT)}{UP['etcd'][1]}" for etcd in around.etcds()]
    return [etcds, [f"http://{around.places['nats-0'].at(NATS_MONITOR)}{UP['nats'][1]}"]]


def _metadata(home: Home, name: str) -> Manifest:
    return {"name": name, "namespace": home.namespace, "labels": {RUN: home.run}}


def _service(home: Home, name: str, of: Mapping[str, str], *, reached: str) -> Manifest:
    """By name: one for each pod, also before it is ready: etcd's members look each other up to become so."""
    spec: Manifest = {"selector": {RUN: home.run, **of}, "ports": [{"name": "http", "port": HTTP}]}
    spec |= {"clusterIP": "None", "publishNotReadyAddresses": True} if reached == "by name" else {"type": reached}
    return {"apiVersion": "v1", "kind": "Service", "metadata": _metadata(home, name), "spec": spec}


def closing(node: str, *, by: str | None) -> Manifest:
    """What of a node closes it to new pods, with the run that does; or opens it again (by=None)."""
    metadata = {"name": node, "annotations": {CLOSED_BY: by}}
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {"unschedulable": True if by else None}}


def budget(home: Home, role: Role, count: int) -> Manifest:
    """So many pods of that role are there whatever is evicted."""
    spec = {"minAvailable": count, "selector": {"matchLabels": {RUN: home.run, ROLE: role}}}
    metadata = _metadata(home, f"{role}s")
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata, "spec": spec}


def stateful_set(home: Home, name: str, role: Role, replicas: int) -> Manifest:
    """Its pods are replaced when they are deleted, and not when it changes."""
    labels = {RUN: home.run, SET: name, ROLE: role, KEPT: "true"}
    template = {"metadata": {"labels": labels}, "spec": _pod(home, name, role)}
    spec = {
        "serviceName": PEERS,
        "replicas": replicas,
        "podManagementPolicy": "Parallel",
        "updateStrategy": {"type": "OnDelete"},
        "selector": {"matchLabels": {SET: name}},
        "template": template,
    }
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": _metadata(home, name), "spec": spec}


def _pod(home: Home, name: str, role: Role) -> Manifest:
    port, path = UP[role]
    container = {
        "name": CONTAINER,
        "image": home.image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-m", "support.kubernetes_target.keeper"],
        # By the address that answers as soon as the component itself is up; a worker's /health says 503 for ever
        # without canary checks.
        "readinessProbe": {"httpGet": {"port": port, "path": path}, "periodSeconds": 2, "failureThreshold": 1},
        "volumeMounts": [
            {"name": "components", "mountPath": str(COMMANDS), "readOnly": True},
            {"name": "data", "mountPath": str(DATA)},
        ],
    }
    apart = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": {SET: name}},
    }
    return {
        "affinity": {} if role in GENERATING else {"nodeAffinity": _ELSEWHERE},
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": _GRACE,
        "topologySpreadConstraints": [apart],
        "containers": [container],
        "volumes": [{"name": "components", "configMap": {"name": TOLD}}, {"name": "data", "emptyDir": {}}],
    }
