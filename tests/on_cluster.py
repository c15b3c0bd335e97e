"""What tests on a real cluster share: where it is, what runs there, and who asks.

DYNAMO_FAULT_SPECS_TEST_IMAGE names the image and KUBECONFIG the cluster, whose administrator we must be. A module that
imports this is skipped where they are not set.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.kubernetes_target.cluster import Cluster
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
_asking = Cluster()


def namespaces() -> set[str]:
    """Names of those that tests have made, on a cluster that others may use."""
    names = {one.metadata.name for one in _asking.core.list_namespace().items}
    return {name for name in names if name.startswith(PREFIX)}


@contextmanager
def some_target(logs: Path) -> Iterator[KubernetesTarget]:
    """Until the end, when nothing of it may be left."""
    before = namespaces()
    made = KubernetesTarget(SETTINGS, logs=logs)
    yield made
    made.close()
    assert namespaces() <= before


@contextmanager
def some_deployment(target: KubernetesTarget) -> Iterator[KubernetesDeployment]:
    """One of `SPEC`, until the end."""
    made = target.deployment(SPEC)
    assert isinstance(made, KubernetesDeployment)
    yield made
    target.release(made)


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
