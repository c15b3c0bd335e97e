"""The Kubernetes target on a real cluster: deployments become ready, obey, and leave nothing, whatever happens."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hamcrest import assert_that

from support.errors import DeploymentError, FaultError, Unavailable
from support.kubernetes_target import run as runs
from support.kubernetes_target.cluster import Cluster
from support.kubernetes_target.deployment import KubernetesDeployment
from support.kubernetes_target.labels import RUN
from support.kubernetes_target.lease import LASTS
from support.kubernetes_target.run import OWNER, ClusterRun
from support.kubernetes_target.target import KubernetesTarget
from support.matchers import complete_answer
from support.phrases import Ask
from support.settings import ROOT, Settings
from support.waiting import eventually
from tests.on_cluster import IMAGE, PREFIX, SPEC, USED, file_of, leaving_no_namespace, some_deployment, some_target

SUITE = """
import sys
from pathlib import Path
from support.kubernetes_target.target import KubernetesTarget
from support.settings import Settings
from support.spec import DeploymentSpec

image, prefix, logs = sys.argv[1:]
target = KubernetesTarget(Settings(target="kubernetes", image=image, namespace=prefix), logs=Path(logs))
target.deployment(DeploymentSpec(workers=1))
print("ready", flush=True)
sys.stdin.read()
"""
REAPED_WITHIN = LASTS * 1.5 + 30
"""Seconds: the lease, the reaper's next look, and the namespaces' own end."""


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubernetesTarget]:
    with some_target(tmp_path_factory.mktemp("logs")) as made:
        yield made


@pytest.fixture
def deployment(target: KubernetesTarget) -> Iterator[KubernetesDeployment]:
    with some_deployment(target) as made:
        yield made


def test_a_stream_survives_the_kill_of_its_worker(deployment: KubernetesDeployment) -> None:
    client = Ask(tokens=200, chat=False, stream=True).of(deployment)
    client.wait_for_tokens(30)
    worker = deployment.serving_worker(client.request_id)
    pid = worker.pid
    worker.kill()
    assert_that(client.finished(), complete_answer(200))
    assert not worker.running
    assert worker.ends == [-signal.SIGKILL]
    with pytest.raises(FaultError, match="is not running"):
        worker.kill()
    worker.restart()
    assert worker.pid != pid
    deployment.ready()


def test_a_frozen_component_answers_nothing_and_goes_on(deployment: KubernetesDeployment) -> None:
    worker = deployment.workers[0]
    worker.pause()
    assert worker.frozen
    with pytest.raises(ConnectionError):
        worker.metrics()
    worker.resume()
    worker.metrics()
    assert worker.vitals().rss > 10_000_000
    assert not deployment.ailments()


def test_a_worker_whose_pod_is_deleted_comes_back_and_serves(
    deployment: KubernetesDeployment, cluster: Cluster
) -> None:
    worker = deployment.workers[0]
    cluster.delete_pod(deployment.home.namespace, worker.name, grace=0)
    eventually(lambda: worker.ends, within=20, describe="the worker has ended", error=DeploymentError)
    eventually(lambda: worker.running, within=60, describe="the worker is back", error=DeploymentError)
    deployment.ready()
    assert worker.name in str(deployment.ailments())


def test_a_worker_is_added_and_taken_away(target: KubernetesTarget) -> None:
    made = target.deployment(SPEC.but(workers=1))
    try:
        added = made.add("worker")
        assert added.name == "vllm-worker-1"
        assert len(made.instances()) == 2
        made.remove("vllm-worker-0")
        made.ready()
        assert [one.name for one in made.workers] == ["vllm-worker-1"]
    finally:
        target.release(made, reuse=False)


def test_an_image_that_no_node_has(tmp_path: Path) -> None:
    with leaving_no_namespace():
        settings = Settings(target="kubernetes", image="localhost/no-such-image:1", namespace=PREFIX)
        with pytest.raises(Unavailable, match=r"localhost/no-such-image:1 cannot be had on node-\d"):
            KubernetesTarget(settings, logs=tmp_path)


def test_an_image_that_is_not_ours(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    with leaving_no_namespace():
        monkeypatch.setattr(runs, "digest", lambda root: "another")
        with pytest.raises(Unavailable, match="was built from another state of this project: build it anew"):
            ClusterRun(cluster, prefix=PREFIX, image=IMAGE)


def test_a_right_that_is_missing_is_named(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with leaving_no_namespace(), monkeypatch.context() as as_joe:
        as_joe.setattr(USED, str(file_of(cluster, "default", "default", tmp_path)))
        with pytest.raises(DeploymentError, match="may not create namespaces at the cluster scope"):
            ClusterRun(Cluster(), prefix=PREFIX, image=IMAGE)


def test_nothing_of_a_run_that_was_killed_is_left_when_its_lease_is_over(cluster: Cluster, tmp_path: Path) -> None:
    with leaving_no_namespace() as before:
        suite = subprocess.Popen(
            [sys.executable, "-c", SUITE, IMAGE, PREFIX, str(tmp_path)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        with suite:
            assert suite.stdout
            assert suite.stdout.readline() == "ready\n"
            suite.send_signal(signal.SIGKILL)
        left = {one.metadata.name for one in cluster.namespaces(OWNER)} - before
        assert len(left) == 1
        assert runs.sweep(cluster) == []  # it may live, as far as anybody can tell
        assert cluster.await_gone(f"{RUN}={left.pop()}", within=REAPED_WITHIN) == []
