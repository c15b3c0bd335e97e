"""A graph for Dynamo's operator: what a file may say, and what is told when nothing comes of it. The API is a fake."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from support.attached_target import graph as graphs
from support.attached_target.graph import Graph
from support.attached_target.graph_target import GraphTarget
from support.cli.specifications import run
from support.errors import DeploymentError, Unavailable, UsageError
from support.kubernetes_target.cluster import Cluster
from support.kubernetes_target.manifests import Home
from support.settings import Settings
from tests.test_kubernetes_cluster import configure, one_sentence, pod, pods, refused
from tests.test_kubernetes_states import Answer, InTurn, events

HOME = Home("run-1", "run", "image:1")
GRAPHS = "/apis/nvidia.com/v1alpha1/namespaces/run-1/dynamographdeployments"
PODS = "/api/v1/namespaces/run-1/pods"
BODY: dict[str, Any] = {
    "apiVersion": "nvidia.com/v1alpha1",
    "kind": "DynamoGraphDeployment",
    "metadata": {"name": "agg", "namespace": "theirs"},
    "spec": {"services": {"Frontend": {"replicas": 1}}},
}
SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hf-token-secret"}, "stringData": {"t": "x"}}
SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "etcd"},
    "spec": {"ports": [{"port": 2379, "prot": "TCP"}]},
}


def file_of(folder: Path, *documents: Any) -> Path:
    file = folder / "graph.yaml"
    file.write_text(yaml.safe_dump_all(documents))
    return file


def test_a_file_has_a_graph_and_what_that_needs(tmp_path: Path) -> None:
    graph = Graph.read(file_of(tmp_path, SECRET, BODY, None))
    assert (graph.name, graph.body, graph.beside) == ("agg", BODY, [SECRET])


@pytest.mark.parametrize(
    ("documents", "sentence"),
    [
        ([SECRET], r"it has 0 objects of the kind DynamoGraphDeployment, and must have one$"),
        ([BODY, BODY], r"it has 2 objects of the kind DynamoGraphDeployment, and must have one$"),
        (
            [BODY, "words"],
            r"document 2 is no object of Kubernetes: it needs apiVersion, kind, and metadata with a name$",
        ),
        ([BODY | {"metadata": {}}], r"document 1 is no object of Kubernetes"),
        ([BODY, {"kind": "Pod", "metadata": {"name": "x"}}], r"document 2 is no object of Kubernetes"),
        ([BODY, {"apiVersion": "v1", "metadata": {"name": "x"}}], r"document 2 is no object of Kubernetes"),
        ([BODY, SECRET | {"strinData": {}}], r"document 2: nobody knows the field strinData of a Secret$"),
        ([BODY, SERVICE], r"document 2: nobody knows the field spec\.ports\[0\]\.prot of a Service$"),
        ([BODY, SECRET | {"stringData": {"port": 8000}}], r"document 2: .*stringData.* valid string"),
        ([BODY | {"apiVersion": "v1"}], r"a DynamoGraphDeployment has apiVersion nvidia\.com/v1alpha1 .*, not v1$"),
        ([BODY, SECRET | {"kind": "Node"}], r"document 2: a Node of v1 cannot stand beside a graph: there may be Conf"),
        ([BODY, SECRET | {"apiVersion": "v2"}], r"document 2: a Secret of v2 cannot stand beside a graph"),
    ],
)
def test_a_file_that_says_something_else_is_refused(tmp_path: Path, documents: list[Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=rf"^-D graph={tmp_path}/graph\.yaml: .*{sentence}") as told:
        Graph.read(file_of(tmp_path, *documents))
    one_sentence(told.value)


def test_a_file_that_is_no_yaml_is_refused(tmp_path: Path) -> None:
    (tmp_path / "graph.yaml").write_text("a: [")
    with pytest.raises(UsageError, match=r"graph\.yaml cannot be read: while parsing a flow node") as told:
        Graph.read(tmp_path / "graph.yaml")
    one_sentence(told.value)


def test_where_it_is_deployed_is_said_with_it(tmp_path: Path) -> None:
    file = str(file_of(tmp_path, BODY))
    with pytest.raises(UsageError, match=r"is deployed on a cluster: say -D target=kubernetes as well"):
        Settings.read({"graph": file})
    with pytest.raises(UsageError, match=r"there is one to attach to in theirs .*: choose one of them"):
        Settings.read({"graph": file, "target": "kubernetes", "attach": "theirs"})
    with pytest.raises(UsageError, match=r"-j 2: there is one deployment, .*graph\.yaml, for one scenario at a time"):
        run(["-j", "2", "-D", "target=kubernetes", "-D", f"graph={file}"])
    with pytest.raises(Unavailable, match=r"^-D graph needs -D image=NAME too"):
        GraphTarget(Settings.read({"graph": file, "target": "kubernetes"}), logs=tmp_path)


class Asked:
    """A cluster that gives each question its answers in turn."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, **answers: list[Answer]) -> None:
        monkeypatch.setattr(graphs, "_LOOKS_AT_PODS", 0.2)
        self.server = InTurn(
            {
                f"POST {GRAPHS}": [(201, BODY)],
                "POST /api/v1/namespaces/run-1/secrets": [(201, SECRET)],
                f"GET {GRAPHS}": answers.get("lists", [listed("initializing")]),
                f"WATCH {GRAPHS}": answers.get("watches", [events()]),
                f"GET {PODS}": answers.get("pods", [pods()]),
                "GET /api/v1/namespaces/run-1/events": [(200, {"metadata": {}, "items": []})],
                "GET /apis/nvidia.com/v1alpha1": answers.get("kinds", [(404, {"message": "not found"})]),
            }
        )
        self._folder, self._monkeypatch = folder, monkeypatch

    def __enter__(self) -> Cluster:
        configure(self._folder, self.server.__enter__(), self._monkeypatch)
        return Cluster()

    def __exit__(self, *how: Any) -> None:
        self.server.__exit__(*how)


def listed(state: str, **condition: str) -> Answer:
    return 200, {"metadata": {"resourceVersion": "1"}, "items": [in_state(state, **condition)]}


def in_state(state: str, **condition: str) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": "False", **condition}] if condition else []
    metadata = {"name": "agg", "resourceVersion": "2"}
    return BODY | {"metadata": metadata, "status": {"state": state, "conditions": conditions}}


def test_it_is_made_and_awaited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watches = [events(("MODIFIED", in_state("pending"))), events(("MODIFIED", in_state("successful")))]
    asked = Asked(tmp_path, monkeypatch, watches=watches)
    with asked as cluster:
        Graph.read(file_of(tmp_path, BODY, SECRET)).make(cluster, HOME)
    assert asked.server.asked[:2] == ["POST /api/v1/namespaces/run-1/secrets", f"POST {GRAPHS}"]


def test_an_image_that_cannot_be_had_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = [pods(pod("agg-worker-x", reason="CrashLoopBackOff")), pods(pod("agg-worker-x", reason="ImagePullBackOff"))]
    with (
        Asked(tmp_path, monkeypatch, pods=there) as cluster,
        pytest.raises(DeploymentError, match=r"^the graph agg cannot be deployed: agg-worker-x: its image i:1 cannot"),
    ):
        Graph.read(file_of(tmp_path, BODY)).make(cluster, HOME)


def test_why_it_does_not_serve_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphs, "MADE_WITHIN", 0.5)
    lists = [listed("failed", message="no GPU is left")]
    with (
        Asked(tmp_path, monkeypatch, lists=lists, pods=[pods(pod("agg-worker-x"))]) as cluster,
        pytest.raises(DeploymentError) as told,
    ):
        Graph.read(file_of(tmp_path, BODY)).make(cluster, HOME)
    assert one_sentence(told.value) == (
        "the graph agg serves: not within 0.5 s; last seen: the operator calls it failed; Ready: no GPU is left; "
        "agg-worker-x: its container is ContainerCreating"
    )


def test_a_cluster_without_the_operator_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        Asked(tmp_path, monkeypatch) as cluster,
        pytest.raises(Unavailable, match=r"knows no DynamoGraphDeployment of nvidia\.com/v1alpha1: .* operator there$"),
    ):
        Graph.read(file_of(tmp_path, BODY)).insist_on_operator(cluster)


def test_what_the_operator_refuses_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked(tmp_path, monkeypatch)
    asked.server.answers[f"POST {GRAPHS}"] = [refused("admission webhook denied it: replicas must be positive")]
    with asked as cluster, pytest.raises(DeploymentError, match=r"refuses: admission webhook denied it: replicas"):
        Graph.read(file_of(tmp_path, BODY)).make(cluster, HOME)
