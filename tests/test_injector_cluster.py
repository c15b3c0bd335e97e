"""Whom the service finds on a cluster; its API server is a fake that says what it is given."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import certifi
import pytest

from injector.api_service.cluster import Cluster
from injector.api_service.cluster_inventory import ClusterAgents, ClusterInventory
from injector.api_service.drafts import of_network, of_process
from injector.api_service.requests import NetworkRequest, ProcessRequest
from injector.errors import Invalid, Undone, Unknown
from injector.inventory import Identity
from tests.test_kubernetes_cluster import FakeApiServer

UID = "3cde9e69-6a10-4e0f-9297-a24858ecc12a"
CONTAINER = "842f04b5cfe96ab4a51f95e8b2f5b1b0"
IN_A, IN_B = "/api/v1/namespaces/a/pods", "/api/v1/namespaces/b/pods"


def items(*there: Any) -> tuple[int, Any]:
    return 200, {"items": list(there)}


def namespace(name: str, **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": {f"dynamo-faults/{key}": value for key, value in labels.items()}}}


def pod(name: str, within: str = "a", node: str = "n1", spec: Any = None, **labels: str) -> dict[str, Any]:
    state = {"name": "main", "containerID": f"containerd://{CONTAINER}", "state": {"running": {}}}
    told = {label.replace("__", "/"): value for label, value in labels.items()}
    return {
        "metadata": {"name": name, "namespace": within, "uid": UID, "labels": told},
        "spec": {"nodeName": node, "containers": [{"name": "main"}], **(spec or {})},
        "status": {
            "podIP": "10.0.0.1",
            "containerStatuses": [state],
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


ALLOWED = {
    "GET /api/v1/namespaces": items(namespace("a", allowed="true")),
    "GET /api/v1/nodes": items(namespace("n1", allowed="true")),
}


@contextmanager
def cluster(folder: Path, answers: dict[str, tuple[int, Any]]) -> Iterator[Cluster]:
    (folder / "namespace").write_text("dynamo-faults")
    (folder / "token").write_text("t")
    (folder / "ca.crt").write_bytes(Path(certifi.where()).read_bytes())
    with FakeApiServer(ALLOWED | answers) as url:
        made = Cluster(url, account=folder)
        yield made
        made.close()


def test_a_pod_is_told_with_all_that_its_agent_needs(tmp_path: Path) -> None:
    told = pod("vllm-worker-0", **{"dynamo-faults__role": "worker", "dynamo-faults__kept": "true"})
    with cluster(tmp_path, {f"GET {IN_A}": items(told)}) as asked:
        (found,) = ClusterInventory(asked).pods()
    assert (found.reference, found.node, found.address, found.port) == ("a/vllm-worker-0", "n1", "10.0.0.1", 9090)
    assert (found.role, found.faults_allowed, found.protected, found.healthy) == ("worker", True, None, True)
    assert found.identity == Identity(uid=UID, containers=(CONTAINER,), kept=True)


@pytest.mark.parametrize(
    ("labels", "role"),
    [
        ({"nvidia.com__dynamo-component-type": "frontend"}, "frontend"),
        ({"nvidia.com__dynamo-component-type": "worker", "nvidia.com__dynamo-sub-component-type": "decode"}, "decode"),
        ({"app.kubernetes.io__name": "nats", "app.kubernetes.io__component": "nats"}, "nats"),
        ({"app.kubernetes.io__name": "etcd"}, "etcd"),
        ({"dynamo-faults__role": "prefill", "app.kubernetes.io__name": "etcd"}, "prefill"),
        ({}, "other"),
    ],
)
def test_what_a_pod_is_say_its_labels(tmp_path: Path, labels: dict[str, str], role: str) -> None:
    with cluster(tmp_path, {f"GET {IN_A}": items(pod("one", **labels))}) as asked:
        assert [one.role for one in ClusterInventory(asked).pods()] == [role]


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (pod("one", node="n2"), "its node n2 has not opted in: label it dynamo-faults/allowed=true"),
        (pod("one", spec={"hostNetwork": True}), "it is on its node's own network"),
        (pod("one", **{"dynamo-faults__protected": "dear-to-us"}), "dear-to-us"),
    ],
)
def test_why_nothing_may_be_done_to_a_pod(tmp_path: Path, told: dict[str, Any], why: str) -> None:
    with cluster(tmp_path, {f"GET {IN_A}": items(told)}) as asked:
        assert [one.protected for one in ClusterInventory(asked).pods()] == [why]


@pytest.mark.parametrize("name", ["kube-system", "dynamo-faults"])
def test_the_clusters_own_namespaces_cannot_opt_in(tmp_path: Path, name: str) -> None:
    answers = {
        f"GET /api/v1/namespaces/{name}": (200, namespace(name, allowed="true")),
        f"GET /api/v1/namespaces/{name}/pods": items(pod("one", within=name)),
    }
    with cluster(tmp_path, answers) as asked:
        (found,) = ClusterInventory(asked).pods(name)
    assert found.protected == f"{name} is a namespace of the cluster itself, or of this service"


def test_a_namespace_that_is_named_is_asked_whether_it_opted_in(tmp_path: Path) -> None:
    answers = {"GET /api/v1/namespaces/b": (200, namespace("b")), f"GET {IN_B}": items(pod("one", within="b"))}
    with cluster(tmp_path, answers) as asked:
        assert [one.faults_allowed for one in ClusterInventory(asked).pods("b")] == [False]
        with pytest.raises(Unknown, match="there is no namespace 'c'"):
            ClusterInventory(asked).pods("c")


def test_pods_of_two_namespaces_are_not_mixed_up(tmp_path: Path) -> None:
    worker = {"dynamo-faults__role": "worker"}
    answers = {
        "GET /api/v1/namespaces": items(namespace("a", allowed="true"), namespace("b", allowed="true")),
        f"GET {IN_A}": items(pod("vllm-worker-0", **worker), pod("vllm-worker-1", **worker)),
        f"GET {IN_B}": items(pod("vllm-worker-0", within="b", **worker)),
    }
    with cluster(tmp_path, answers) as asked:
        inventory = ClusterInventory(asked)
        ask = {"target_pod": "vllm-worker-1", "fault_type": "PAUSE"}
        assert of_process(ProcessRequest.model_validate(ask), inventory).belongs_to == "a"
        unclear = ProcessRequest.model_validate(ask | {"target_pod": "vllm-worker-0"})
        with pytest.raises(Invalid, match="may be those of a, b: say which namespace is meant"):
            of_process(unclear, inventory)
        with pytest.raises(Invalid, match="may be those of a, b: say which namespace is meant"):
            of_network(NetworkRequest.model_validate({"partition_type": "WORKER_WORKER"}), inventory)


def test_agents_are_found_by_their_nodes(tmp_path: Path) -> None:
    path = "GET /api/v1/namespaces/dynamo-faults/pods"
    with cluster(tmp_path, {path: items(pod("gpu-fault-injector-x", within="dynamo-faults"))}) as asked:
        agents = ClusterAgents(asked, "a-token-for-the-tests")
        assert [*agents] == ["n1"]
        assert agents["n1"] is agents["n1"]
        with pytest.raises(KeyError):
            agents["n2"]
        agents.close()


def test_who_is_refused_says_which_right_is_missing(tmp_path: Path) -> None:
    said = 'pods is forbidden: User "joe" cannot list resource "pods" in API group "" in the namespace "a"'
    with (
        cluster(tmp_path, {f"GET {IN_A}": (403, {"message": said})}) as asked,
        pytest.raises(
            Undone, match=r'cannot list resource "pods".*: give the service the rights that .*rbac.yaml lists'
        ),
    ):
        ClusterInventory(asked).pods()


def test_outside_of_a_cluster_there_is_no_account(tmp_path: Path) -> None:
    with pytest.raises(Undone, match="this is no pod with a service account"):
        Cluster(account=tmp_path)
