"""On a real cluster: a user with the documented role can do all that a run does; one right less, and it is named.

What was done to pods is done as that user: a role that says less than the truth makes these tests red.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hamcrest import assert_that

from support.errors import DeploymentError, Unavailable
from support.kubernetes_target import allowed
from support.kubernetes_target.allowed import Right
from support.kubernetes_target.cluster import Cluster, Manifest
from support.kubernetes_target.deployment import KubernetesDeployment
from support.kubernetes_target.target import KubernetesTarget
from support.matchers import complete_answer
from support.phrases import Ask
from support.waiting import eventually
from tests.on_cluster import RBAC, ROLE_KNOWN_WITHIN, some_deployment, some_target, user_with

ACCOUNT = "specs-tests-suite"
RULES: list[Manifest] = allowed.role(allowed.OWN)["rules"]


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture(scope="module")
def suite(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The cluster, as seen by a user who has that role and nothing else."""
    with user_with(cluster, role(RULES), tmp_path_factory.mktemp("user")):
        seen = Cluster()
        eventually(lambda: not allowed.missing(seen), within=ROLE_KNOWN_WITHIN, describe="the role is known")
        yield seen


def role(rules: list[Manifest]) -> Manifest:
    return {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": ACCOUNT}, "rules": rules}


def without(right: Right) -> list[Manifest]:
    """The role's rules, each of one right, but for that one."""
    return [
        {
            "apiGroups": [one.group],
            "resources": ["/".join(filter(None, (one.resource, one.subresource)))],
            "verbs": [one.verb],
        }
        for one in allowed.needed()
        if one != right
    ]


@pytest.mark.parametrize("right", allowed.needed(), ids=str)
def test_each_right_that_is_missing_is_named(cluster: Cluster, suite: Cluster, right: Right) -> None:
    cluster.patch(role(without(right)))
    try:
        eventually(
            lambda: allowed.missing(suite) == [right],
            within=ROLE_KNOWN_WITHIN,
            describe=f"{right} is missing",
            last_seen=lambda: str(allowed.missing(suite)),
        )
        with pytest.raises(Unavailable) as told:
            allowed.insist(suite)
        assert str(told.value) == (
            f"the context {ACCOUNT} may not {right}: let its administrator give you the role "
            "dynamo-fault-specs of support/kubernetes_target/role.yaml, or choose another"
        )
    finally:
        cluster.patch(role(RULES))


@pytest.fixture(scope="module")
def target(suite: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubernetesTarget]:
    eventually(lambda: not allowed.missing(suite), within=ROLE_KNOWN_WITHIN, describe="the role is known again")
    with some_target(tmp_path_factory.mktemp("logs")) as made:
        yield made


@pytest.fixture
def deployment(target: KubernetesTarget) -> Iterator[KubernetesDeployment]:
    with some_deployment(target) as made:
        yield made


def replaced(deployment: KubernetesDeployment, name: str, *, grace: int | None) -> None:
    """Delete a pod, and return when the next one serves."""
    component, ends = deployment.component(name), len(deployment.component(name).ends)
    deployment.hosting().delete(name, grace=grace)
    eventually(lambda: len(component.ends) > ends, within=60, describe="it has ended", error=DeploymentError)
    eventually(lambda: component.running, within=60, describe="it is back", error=DeploymentError)
    deployment.ready()


def test_clients_find_a_frontend_whose_pod_was_replaced(deployment: KubernetesDeployment) -> None:
    before = deployment.base_url
    replaced(deployment, "frontend-0", grace=0)
    assert deployment.base_url != before
    assert_that(Ask(tokens=50, chat=False, stream=True).of(deployment).finished(), complete_answer(50))


def test_logs_and_events_of_replaced_pods_are_kept(deployment: KubernetesDeployment) -> None:
    worker = deployment.workers[0]
    assert_that(Ask(tokens=50, chat=False, stream=True).of(deployment).finished(), complete_answer(50))
    first = worker.logs()
    assert first
    replaced(deployment, worker.name, grace=None)
    assert worker.ends == [0]
    eventually(lambda: worker.logs().startswith(first), within=5, describe="what it wrote is kept")
    begins = first.splitlines()[0].partition("Z ")[2]
    eventually(lambda: worker.logs().count(begins) == 2, within=10, describe="what the next one writes is kept")
    assert f"{worker.name}: Killing: Stopping container main" in deployment.told()


def test_a_budget_forbids_to_evict_the_last_one(deployment: KubernetesDeployment) -> None:
    hosting = deployment.hosting()
    hosting.keep("worker", 2)
    worker = deployment.workers[0]

    def forbidden() -> bool:
        return "disruption budget" in (hosting.evict(worker.name) or "")

    assert forbidden()
    assert worker.running


def test_the_cluster_closes_no_node_for_who_may_not(deployment: KubernetesDeployment) -> None:
    with pytest.raises(Unavailable, match=f"the context {ACCOUNT} may not patch nodes"):
        deployment.hosting().insist_on_closing_nodes()
