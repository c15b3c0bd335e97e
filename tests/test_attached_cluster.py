"""A deployment that somebody else keeps, on a real cluster: found, struck as its owner allows, left as it was."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hamcrest import assert_that

from support.attached_target.target import AttachedTarget
from support.counts import ONGOING_MIGRATIONS, Counts
from support.errors import LeftOut, Unavailable
from support.kubernetes_target.cluster import Cluster
from support.kubernetes_target.pods import ready
from support.matchers import complete_answer
from support.phrases import Ask
from support.settings import ROOT, Settings
from support.spec import DeploymentSpec
from tests.injected_cluster import installed, node_names, opted_in
from tests.on_cluster import IMAGE, PREFIX
from tests.somebodys import manifests

SPEC = DeploymentSpec(workers=2, migration_limit=3)
THEIRS = f"{PREFIX}-somebodys"
READY_WITHIN = 120.0


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture(scope="module")
def theirs(cluster: Cluster) -> Iterator[str]:
    """Namespace of a deployment that is up."""
    first, *others = manifests(THEIRS, IMAGE, SPEC)
    cluster.make(first)
    try:
        for one in others:
            cluster.make(one)
        pods = cluster.await_pods(THEIRS, all_ready, within=READY_WITHIN)
        assert all_ready(pods), cluster.warnings(THEIRS)
        yield THEIRS
    finally:
        cluster.delete(first)


@pytest.fixture(scope="module")
def injection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with opted_in(node_names()), installed(tmp_path_factory.mktemp("install")):
        yield


def all_ready(pods: dict[str, Any]) -> bool:
    return len(pods) == 5 and all(map(ready, pods.values()))


@pytest.fixture
def target(theirs: str, tmp_path: Path) -> Iterator[AttachedTarget]:
    made = AttachedTarget(Settings(target="kubernetes", attach=theirs), logs=tmp_path / "logs")
    yield made
    made.close()


def test_it_is_for_scenarios_about_such_a_deployment_only(target: AttachedTarget) -> None:
    assert target.unavailable(SPEC) is None
    assert "has workers=2, and the scenario is about workers=3" in str(target.unavailable(SPEC.but(workers=3)))
    assert "has Dynamo 1.4.2 (-D dynamo), not 1.4.1" in str(target.unavailable(SPEC.but(dynamo="1.4.1")))
    deployment = target.deployment(SPEC)
    with pytest.raises(LeftOut, match="a worker is added: that is for the owner"):
        deployment.add("worker")
    with pytest.raises(LeftOut, match=r"vllm-worker-0 cannot be killed.* none is installed on this cluster"):
        deployment.component("vllm-worker-0").kill()
    target.release(deployment)


def test_two_runs_are_never_on_one(theirs: str, target: AttachedTarget, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"another run .* is on the deployment"):
        AttachedTarget(Settings(target="kubernetes", attach=theirs), logs=tmp_path)


@pytest.mark.usefixtures("injection")
def test_a_stream_survives_the_loss_of_its_worker_and_all_is_as_it_was(
    cluster: Cluster, theirs: str, target: AttachedTarget
) -> None:
    before = cluster.await_pods(theirs, all_ready, within=READY_WITHIN)
    deployment = target.deployment(SPEC)
    client = Ask(tokens=200, chat=False, stream=True).of(deployment)
    client.wait_for_tokens(30)
    counts = Counts(list(deployment.components.values()))
    worker = deployment.serving_worker(client.request_id)
    worker.kill()
    assert_that(client.finished(), complete_answer(200))
    assert counts.grown(ONGOING_MIGRATIONS) == 1
    assert worker.ends == [-9]
    worker.wait_until_up()
    target.release(deployment)
    again = target.deployment(SPEC)
    assert not again.casualties()
    assert set(cluster.await_pods(theirs, all_ready, within=READY_WITHIN)) == set(before)
    target.release(again)


@pytest.mark.usefixtures("injection")
def test_features_run_on_it(theirs: str, tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "support.cli", "run", "-D", "target=kubernetes", "-D", f"attach={theirs}"]
    argv += [
        "-D",
        f"log_dir={tmp_path / 'reports'}",
        "-t",
        "@smoke and @vllm",
        "features/migration/killed_worker.feature",
    ]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 scenario passed" in done.stdout
