"""On a real cluster: a load of several shards, each in a pod of an Indexed Job, is read as one."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.errors import DeploymentError
from support.kubernetes_target.cluster import Cluster
from support.kubernetes_target.deployment import KubernetesDeployment
from support.kubernetes_target.load_job import INDEX
from support.kubernetes_target.target import KubernetesTarget
from support.load.plan import Fixed, LoadPlan
from support.results import summary
from support.waiting import eventually
from tests.on_cluster import some_deployment, some_target

SHARDS = 4


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubernetesTarget]:
    with some_target(tmp_path_factory.mktemp("logs")) as made:
        yield made


@pytest.fixture(scope="module")
def deployment(target: KubernetesTarget) -> Iterator[KubernetesDeployment]:
    with some_deployment(target) as made:
        yield made


def plan(deployment: KubernetesDeployment, *, times: int) -> LoadPlan:
    return LoadPlan(
        base_url=deployment.inner_url,
        model=deployment.model,
        clients=8,
        requests_per_client=times,
        max_tokens=Fixed(50),
        shards=SHARDS,
    )


def test_the_records_of_four_shards_are_read_as_one(
    target: KubernetesTarget, deployment: KubernetesDeployment, tmp_path: Path
) -> None:
    target.load(plan(deployment, times=5), tmp_path / "load", within=60)
    seen = summary(tmp_path / "load")
    assert (seen["requests"], seen["completed"]) == (40, 40)
    for number in range(SHARDS):
        records = (tmp_path / "load" / f"records-{number:04}.jsonl").read_text().splitlines()
        assert len(records) == 10


def test_a_shard_whose_pod_goes_leaves_nothing_to_be_judged(
    target: KubernetesTarget, deployment: KubernetesDeployment, tmp_path: Path
) -> None:
    asking = Cluster()

    def pods() -> set[tuple[str, str]]:
        listed = asking.core.list_pod_for_all_namespaces(label_selector=INDEX).items
        return {(one.metadata.namespace, one.metadata.name) for one in listed if one.status.phase == "Running"}

    before = pods()  # of a load that has just ended
    with ThreadPoolExecutor(1) as other:
        load = other.submit(target.load, plan(deployment, times=100), tmp_path / "load", within=90)
        found = eventually(
            lambda: len(there := pods() - before) == SHARDS and there, within=60, describe="the shards run"
        )
        namespace, name = min(found) if found else ("", "")
        asking.delete_pod(namespace, name, grace=0)
        with pytest.raises(DeploymentError, match=f"the shard {name} of the load is gone without its records"):
            load.result(timeout=60)
