"""A graph on a real cluster: made, tested as a user with the documented role, and nothing of it left.

The operator is a stand-in (`tests.standin_operator`): the real one's image cannot be had everywhere.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.kubernetes_target import allowed
from support.kubernetes_target.cluster import Cluster, Manifest
from support.settings import ROOT
from support.spec import DeploymentSpec
from support.waiting import eventually
from tests.on_cluster import IMAGE, PREFIX, ROLE_KNOWN_WITHIN, leaving_no_namespace, user_with
from tests.somebodys import manifests
from tests.standin_operator import operator

SPEC = DeploymentSpec(workers=1, slots=2)
ACCOUNT = "specs-tests-graph"


@pytest.fixture
def user(tmp_path: Path) -> Iterator[Path]:
    """The file of a user who has that role and nothing else, on a cluster where graphs are made something of."""
    cluster = Cluster()
    named = allowed.role(allowed.GRAPH) | {"metadata": {"name": ACCOUNT}}
    with operator(cluster), user_with(cluster, named, tmp_path) as file:
        seen = Cluster()
        eventually(
            lambda: not allowed.missing(seen, allowed.GRAPH), within=ROLE_KNOWN_WITHIN, describe="the role is known"
        )
        yield file


def graph() -> Iterator[Manifest]:
    """Etcd and NATS, and a graph of the frontend and the workers."""
    services: dict[str, Any] = {}
    for one in list(manifests("theirs", IMAGE, SPEC))[1:]:
        kind = one["spec"].get("template", {}).get("metadata", {}).get("labels", {}).get("is", "").partition("-")[0]
        if kind in ("frontend", "vllm"):
            pod = one["spec"]["template"]["spec"]
            services[kind.capitalize()] = {
                "componentType": "worker" if kind == "vllm" else kind,
                "replicas": one["spec"]["replicas"],
                "extraPodSpec": {"mainContainer": pod["containers"][0], "volumes": pod["volumes"]},
            }
        elif not (one["kind"] == "Service" and one["metadata"]["name"].startswith("frontend")):
            yield one
    yield {
        "apiVersion": "nvidia.com/v1alpha1",
        "kind": "DynamoGraphDeployment",
        "metadata": {"name": "agg"},
        "spec": {"services": services},
    }


def test_features_run_on_what_is_made_of_a_graph(user: Path, tmp_path: Path) -> None:
    file = tmp_path / "graph.yaml"
    file.write_text(yaml.safe_dump_all(graph()))
    argv = [sys.executable, "-m", "support.cli", "run", "-D", "target=kubernetes", "-D", f"graph={file}"]
    argv += ["-D", f"image={IMAGE}", "-D", f"namespace={PREFIX}", "-D", f"log_dir={tmp_path / 'reports'}"]
    with leaving_no_namespace():
        done = subprocess.run(
            [*argv, "features/cancellation/leaving_client.feature", "-t", "@smoke and @vllm"],
            cwd=ROOT,
            env=os.environ | {"KUBECONFIG": str(user)},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "1 scenario passed" in done.stdout
