"""A stand-in for Dynamo's operator, whose image cannot be had everywhere: it makes Deployments of a graph's services.

Labels, names and states are those of the real one (deploy/operator of ai-dynamo/dynamo); of a service it knows
componentType, replicas, and the main container and volumes of its extraPodSpec. It says that a graph serves when every
Deployment is ready. It ends with the test, and so does what it defines.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import urllib3
from kubernetes import client

from support.errors import DeploymentError
from support.kubernetes_target.cluster import Cluster, Manifest
from support.kubernetes_target.offers import GRAPHS, GROUP
from support.kubernetes_target.pods import ready
from support.waiting import eventually

_VERSION = "v1alpha1"
_LOOKS = 0.5
_KNOWN_WITHIN = 30.0
_PREFIX = "nvidia.com/dynamo"


@contextmanager
def operator(cluster: Cluster) -> Iterator[None]:
    """Until the end, when there are no graphs any more."""
    api: Any = client.ApiextensionsV1Api(cluster.core.api_client)
    api.create_custom_resource_definition(_definition())
    over = threading.Event()
    working = threading.Thread(target=_work, args=(cluster, over), name="stand-in operator")
    try:
        eventually(lambda: cluster.serves(GROUP, _VERSION, GRAPHS), within=_KNOWN_WITHIN, describe="graphs are known")
        working.start()
        yield
    finally:
        over.set()
        if working.ident:
            working.join()
        api.delete_custom_resource_definition(f"{GRAPHS}.{GROUP}")


def _definition() -> Manifest:
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": _VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": anything, "status": anything}}},
    }
    names = {"plural": GRAPHS, "singular": GRAPHS[:-1], "kind": "DynamoGraphDeployment"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{GRAPHS}.{GROUP}"},
        "spec": {"group": GROUP, "names": names, "scope": "Namespaced", "versions": [version]},
    }


def _work(cluster: Cluster, over: threading.Event) -> None:
    api: Any = client.CustomObjectsApi(cluster.core.api_client)
    made: set[tuple[str, str]] = set()
    while not over.wait(_LOOKS):
        with suppress(DeploymentError, client.ApiException, urllib3.exceptions.HTTPError):  # it is asked again
            for graph in api.list_cluster_custom_object(GROUP, _VERSION, GRAPHS)["items"]:
                for name, service in graph["spec"]["services"].items():
                    if (graph["metadata"]["uid"], name) not in made:
                        cluster.make(_deployment(graph["metadata"], name, service))
                        made.add((graph["metadata"]["uid"], name))
                _tell(api, cluster, graph)


def _tell(api: Any, cluster: Cluster, graph: Any) -> None:
    """Its state."""
    name, namespace = graph["metadata"]["name"], graph["metadata"]["namespace"]
    pods = cluster.await_pods(namespace, lambda pods: True, within=0).values()
    mine = [pod for pod in pods if (pod.metadata.labels or {}).get(f"{_PREFIX}-graph-deployment-name") == name]
    wanted = sum(service["replicas"] for service in graph["spec"]["services"].values())
    state = "successful" if len([pod for pod in mine if ready(pod)]) == wanted else "pending"
    if graph.get("status", {}).get("state") != state:
        api.patch_namespaced_custom_object_status(
            GROUP, _VERSION, namespace, GRAPHS, name, {"status": {"state": state}}
        )


def _deployment(graph: Any, name: str, service: Any) -> Manifest:
    labels = {
        f"{_PREFIX}-graph-deployment-name": graph["name"],
        f"{_PREFIX}-component": name,
        f"{_PREFIX}-component-type": service["componentType"],
    }
    more = service["extraPodSpec"]
    pod = {"containers": [more["mainContainer"] | {"name": "main"}], "volumes": more.get("volumes", [])}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": f"{graph['name']}-{name.lower()}", "namespace": graph["namespace"]},
        "spec": {
            "replicas": service["replicas"],
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }
