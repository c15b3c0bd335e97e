"""What tests on a real cluster share: where it is, what runs there, and who asks.

DYNAMO_FAULT_SPECS_TEST_IMAGE names the image and KUBECONFIG the cluster, whose administrator we must be. A module that
imports this is skipped where they are not set.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.kubernetes_target.cluster import Cluster, Manifest
from support.kubernetes_target.deployment import KubernetesDeployment
from support.kubernetes_target.target import KubernetesTarget
from support.settings import Settings
from support.spec import DeploymentSpec

IMAGE = os.environ.get("DYNAMO_FAULT_SPECS_TEST_IMAGE", "")
if not IMAGE or "KUBECONFIG" not in os.environ:
    pytest.skip("needs a cluster: KUBECONFIG, and DYNAMO_FAULT_SPECS_TEST_IMAGE", allow_module_level=True)

PREFIX = "specs-tests"
SETTINGS = Settings(target="kubernetes", image=IMAGE, namespace=PREFIX)
SPEC = DeploymentSpec(workers=2, migration_limit=3)
USED = "kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION"
"""To be patched with the file of another user."""
RBAC = "rbac.authorization.k8s.io"
ROLE_KNOWN_WITHIN = 30
"""Seconds until every part of a cluster knows of another role."""
_asking = Cluster()


def namespaces() -> set[str]:
    """Names of those that tests have made, on a cluster that others may use."""
    names = {one.metadata.name for one in _asking.core.list_namespace().items}
    return {name for name in names if name.startswith(PREFIX)}


@contextmanager
def leaving_no_namespace() -> Iterator[set[str]]:
    """Yields those that are there. In the end there is no other one; what an earlier test has left to go may go."""
    before = namespaces()
    yield before
    assert namespaces() <= before


@contextmanager
def some_target(logs: Path) -> Iterator[KubernetesTarget]:
    """Until the end, when nothing of it may be left."""
    with leaving_no_namespace():
        made = KubernetesTarget(SETTINGS, logs=logs)
        yield made
        made.close()


@contextmanager
def some_deployment(target: KubernetesTarget) -> Iterator[KubernetesDeployment]:
    """One of `SPEC`, until the end."""
    made = target.deployment(SPEC)
    assert isinstance(made, KubernetesDeployment)
    yield made
    target.release(made)


@contextmanager
def user_with(cluster: Cluster, role: Manifest, folder: Path) -> Iterator[Path]:
    """The file of a user who has that ClusterRole and nothing else, and whose name is the role's; until the end.

    Meanwhile it is what a `Cluster` of this process reads.
    """
    name = role["metadata"]["name"]
    binding = {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": "default"}],
    }
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": "default"}}
    with ExitStack() as left, pytest.MonkeyPatch.context() as as_user:
        for manifest in (role, binding, account):
            cluster.make(manifest)
            left.callback(cluster.delete, manifest)
        file = file_of(cluster, name, "default", folder)
        as_user.setattr(USED, str(file))
        yield file


def file_of(cluster: Cluster, account: str, namespace: str, folder: Path) -> Path:
    """The configuration of a user: that service account of the cluster."""
    body: Any = {"spec": {"expirationSeconds": 3600}}
    told = cluster.core.create_namespaced_service_account_token(account, namespace, body)
    config = cluster.core.api_client.configuration
    described = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": account,
        "clusters": [{"name": "c", "cluster": {"server": config.host, "certificate-authority": config.ssl_ca_cert}}],
        "users": [{"name": account, "user": {"token": told.status.token}}],
        "contexts": [{"name": account, "context": {"cluster": "c", "user": account}}],
    }
    file = folder / account
    file.write_text(json.dumps(described))
    return file
