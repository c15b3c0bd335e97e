"""A deployment as somebody else would keep it: Deployments of Kubernetes, labelled as Dynamo's operator does it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from injector.labels import ALLOWED
from support.commands import ETCD_CLIENT, HTTP, NATS_CLIENT, NATS_MONITOR, UP, Surroundings, command
from support.kept_deployment import names
from support.kubernetes_target.cluster import Manifest
from support.kubernetes_target.in_image import DATA, MODEL, programs
from support.kubernetes_target.manifests import ENVIRONMENT
from support.place import Place
from support.spec import DeploymentSpec, Role

_SAYS_ROLE = "nvidia.com/dynamo-component-type"


def manifests(namespace: str, image: str, spec: DeploymentSpec, *, opened: bool = True) -> Iterator[Manifest]:
    """In an order in which they can be made. opened: its owner agrees to faults."""
    labels = {ALLOWED: "true"} if opened else {}
    yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}}
    roles = names(spec)
    places = {name: Place(name, listens="0.0.0.0") for name in roles}
    around = Surroundings(spec, places, MODEL, DATA, programs([spec.dynamo], image))
    for name, role in roles.items():
        if role in ("etcd", "nats"):
            yield _service(namespace, name, (ETCD_CLIENT,) if role == "etcd" else (NATS_CLIENT, NATS_MONITOR))
    yield _service(namespace, "frontend-0", (HTTP,))
    for role in dict.fromkeys(roles.values()):
        mine = [name for name, its in roles.items() if its == role]
        yield _deployment(namespace, mine[0], role, len(mine), image, around)


def _service(namespace: str, name: str, ports: tuple[int, ...]) -> Manifest:
    told = [{"name": f"p{port}", "port": port} for port in ports]
    metadata = {"name": name, "namespace": namespace}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {"selector": {"is": name}, "ports": told},
    }


def _deployment(namespace: str, name: str, role: Role, count: int, image: str, around: Surroundings) -> Manifest:
    told = command(name, role, around)
    port, path = UP[role]
    container: dict[str, Any] = {
        "name": "main",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": told.argv,
        "env": [{"name": key, "value": value} for key, value in (ENVIRONMENT | told.environment).items()],
        "readinessProbe": {"httpGet": {"port": port, "path": path}, "periodSeconds": 1},
        "volumeMounts": [{"name": "data", "mountPath": str(DATA)}],
        "workingDir": str(DATA),
        "ports": [{"name": "http" if role == "frontend" else "system", "containerPort": port}],
    }
    labels = {"is": name, _SAYS_ROLE: role}
    template = {
        "metadata": {"labels": labels},
        "spec": {
            "containers": [container],
            "enableServiceLinks": False,
            "automountServiceAccountToken": False,
            "volumes": [{"name": "data", "emptyDir": {}}],
        },
    }
    spec = {"replicas": count, "selector": {"matchLabels": {"is": name}}, "template": template}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }
