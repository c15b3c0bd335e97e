"""The injection service on a real cluster with two nodes: what it does there, and what becomes of it."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from injector.api_service.service import GRACE
from injector.places import AGENT_PORT
from injector.tls import FILES
from support.waiting import eventually
from tests.certificates import certificates, needs_openssl
from tests.injected_cluster import (
    ALLOWED,
    HOME,
    IMAGES,
    PODS,
    TOKEN,
    Installed,
    Pod,
    installed,
    keep_secret,
    kubectl,
    node_names,
    some_pods,
    told,
    wait_for_agents,
)

LINES = {
    "THROTTLE": """curl -sS -X POST $API/gpu/inject -H 'Content-Type: application/json' \
-d '{"target_pod": "vllm-worker-0", "fault_type": "THROTTLE", "severity": "HIGH"}'""",
    "FRONTEND_WORKER": """curl -sS -X POST $API/network/inject -H 'Content-Type: application/json' \
-d '{"partition_type": "FRONTEND_WORKER", "duration_seconds": 30}'""",
    "XID_ERROR": """curl -sS -X POST $API/gpu/inject/xid-79 -H 'Content-Type: application/json' \
-d '{"target_pod": "vllm-worker-0"}'""",
}
RIGHTS = [("namespaces", "get"), ("namespaces", "list"), ("nodes", "list"), ("pods", "list")]
AGENTS = "app.kubernetes.io/name=gpu-fault-injector"
UNKNOWN = """
import socket, ssl, sys
trusting = ssl._create_unverified_context()
agent = trusting.wrap_socket(socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=5))
agent.sendall(b"GET /health HTTP/1.1\\r\\nHost: agent\\r\\n\\r\\n")
try:
    print(agent.recv(100))
except ssl.SSLError as refused:
    print(b"", refused)
"""
"""Asks an agent over TLS, and shows no certificate."""


@pytest.fixture(scope="module")
def nodes() -> tuple[str, str]:
    found = node_names()
    if len(found) < 2:
        pytest.skip(f"needs a cluster with two nodes: it has {len(found)}")
    return found[0], found[1]


@pytest.fixture(scope="module")
def pods(nodes: tuple[str, str]) -> Iterator[dict[str, Pod]]:
    with some_pods(IMAGES[1], nodes) as made:
        yield made


@pytest.fixture(scope="module")
def installation(pods: dict[str, Pod], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    with installed(tmp_path_factory.mktemp("install")) as made:
        yield made


@pytest.fixture
def service(installation: Installed, pods: dict[str, Pod]) -> Iterator[Installed]:
    yield installation
    assert installation.post("/recover").status_code == 200
    for pod in pods.values():
        pod.wait_until_ready()
    assert pods["frontend-0"].connects(pods["vllm-worker-0"])


@pytest.mark.parametrize("line", ["THROTTLE", "FRONTEND_WORKER"])
def test_the_lines_of_the_guide_work_through_the_service(service: Installed, tmp_path: Path, line: str) -> None:
    made = curl(service, tmp_path, LINES[line])
    assert f'"fault_type":"{line}","state":"ACTIVE"' in made.replace('", "', '","')


def curl(service: Installed, home: Path, line: str) -> str:
    (home / ".curlrc").write_text(f'header = "Authorization: Bearer {TOKEN}"\n')
    around = os.environ | {"API": f"{service.url}/api/v1/faults", "CURL_HOME": str(home)}
    done = subprocess.run(["sh", "-c", line], env=around, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("action", ["DROP", "REJECT"])
def test_a_partition_between_two_nodes_stops_the_two_and_nobody_else(
    service: Installed, pods: dict[str, Pod], nodes: tuple[str, str], action: str
) -> None:
    frontend, worker, other = pods.values()
    fault = service.done("/network/inject", partition_type="frontend_worker", target="vllm-worker-0", action=action)
    assert (fault["nodes"], fault["namespace"]) == (sorted(nodes), PODS)
    assert fault["targets_left"] == ["frontend-0", "vllm-worker-0"]
    assert (frontend.connects(worker), worker.connects(frontend)) == (False, False)
    assert (frontend.connects(other), other.connects(frontend), worker.connects(other)) == (True, True, True)
    assert service.recover(fault)["state"] == "RECOVERED"
    assert (frontend.connects(worker), worker.connects(frontend)) == (True, True)


def test_what_one_of_two_agents_refuses_neither_does(service: Installed, pods: dict[str, Pod]) -> None:
    held = {"partition_type": "CUSTOM", "source": "frontend-0", "target": "vllm-worker-0"}
    first = service.done("/network/inject", **held, loss_percent=1)
    name = f"half-{uuid4().hex[:8]}"  # the nodes remember those of earlier installations
    said = service.refused(409, "/network/inject", partition_type="FRONTEND_WORKER", id=name, duration_seconds=60)
    assert f"the fault {first['id']} (CUSTOM) has the network of {PODS}/frontend-0" in said
    half = service.fault(name)
    assert (half["state"], half["targets_left"]) == ("FAILED", [])
    assert service.recover(first)["state"] == "RECOVERED"
    assert pods["vllm-worker-0"].connects(pods["frontend-0"])


def test_a_cut_outlives_a_container_and_not_its_pod(service: Installed, pods: dict[str, Pod]) -> None:
    frontend, worker, _ = pods.values()
    fault = service.done("/network/inject", partition_type="FRONTEND_WORKER", target="vllm-worker-0")
    before = worker.restarts
    service.done("/process/inject", target_pod="vllm-worker-0", fault_type="KILL")
    eventually(lambda: worker.restarts > before, within=60, describe="the container is started again")
    worker.wait_until_ready()
    assert not frontend.connects(worker)
    assert service.fault(fault["id"])["targets_left"] == ["frontend-0", "vllm-worker-0"]
    worker.replace()
    eventually(
        lambda: service.fault(fault["id"])["targets_left"] == ["frontend-0"], within=10, describe="it is told of"
    )
    now = service.fault(fault["id"])
    assert (now["state"], "1 of 2 pods: vllm-worker-0 went" in now["reason"]) == ("ACTIVE", True)
    assert frontend.connects(worker), "it is another pod"


def test_a_partition_ends_in_time_though_its_agent_is_replaced(
    service: Installed, pods: dict[str, Pod], nodes: tuple[str, str]
) -> None:
    frontend, worker, _ = pods.values()
    with frontend.watching(worker) as watch:
        watch.sees("connects")
        fault = service.done("/network/inject", partition_type="FRONTEND_WORKER", duration_seconds=30)
        begun = watch.sees("does not")
        for node in nodes:
            kubectl("-n", HOME, "delete", "pod", "-l", AGENTS, f"--field-selector=spec.nodeName={node}", "--now")
        assert 27 < watch.sees("connects") - begun < 33
    service.settle()
    eventually(lambda: service.fault(fault["id"])["state"] == "EXPIRED", within=10, describe="it has expired")


def test_what_is_done_on_a_node_that_is_lost_ends_there_and_is_told_to_have_ended(
    service: Installed, pods: dict[str, Pod], nodes: tuple[str, str]
) -> None:
    worker = pods["vllm-worker-0"]
    begun = time.monotonic()
    fault = service.done("/process/inject", target_pod="vllm-worker-0", fault_type="PAUSE", duration_seconds=20)
    assert worker.process_state() == "T"
    try:
        kubectl("label", "node", nodes[0], f"{ALLOWED}-")
        wait_for_agents(1)
        assert time.monotonic() - begun < 20, "the agent took too long to end for this test"
        assert worker.process_state() == "T"
        assert f"its node {nodes[0]} has not opted in" in service.refused(
            403, "/process/inject", target_pod="vllm-worker-0", fault_type="PAUSE"
        )
        eventually(lambda: worker.process_state() == "S", within=20, describe="its keeper lets it go on")
        assert 19 < time.monotonic() - begun < 24
        eventually(lambda: service.fault(fault["id"])["state"] == "EXPIRED", within=GRACE + 5, describe="it is told")
        assert f"there is no agent on the node {nodes[0]}" in service.fault(fault["id"])["reason"]
    finally:
        kubectl("label", "node", nodes[0], f"{ALLOWED}=true")
        wait_for_agents(2)
        service.settle()


def test_a_service_without_memory_learns_from_the_agents(service: Installed, pods: dict[str, Pod]) -> None:
    fault = service.done("/network/inject", partition_type="FRONTEND_WORKER")
    kubectl("-n", HOME, "delete", "pod", "-l", "app.kubernetes.io/name=fault-injection-service", "--now", "--wait=true")
    service.settle()
    (found,) = service.http.get("/api/v1/faults").json()
    for same in ("id", "asked", "targets", "nodes", "evidence", "state"):
        assert found[same] == fault[same]
    assert service.recover(found)["state"] == "RECOVERED"
    assert pods["frontend-0"].connects(pods["vllm-worker-0"])


def test_who_has_not_opted_in_is_left_alone(service: Installed, nodes: tuple[str, str]) -> None:
    pause = {"fault_type": "PAUSE", "duration_seconds": 5}
    agent = told("-n", HOME, "get", "pods", "-l", AGENTS)["items"][0]["metadata"]["name"]
    said = service.refused(403, "/process/inject", target_pod=agent, namespace=HOME, **pause)
    assert "is a namespace of the cluster itself, or of this service" in said
    kubectl("label", "namespace", PODS, f"{ALLOWED}-")
    try:
        said = service.refused(403, "/process/inject", target_pod="vllm-worker-0", namespace=PODS, **pause)
        assert f"the namespace {PODS} has not opted in" in said
        assert service.post("/process/inject", target_pod="vllm-worker-0", **pause).status_code == 404
    finally:
        kubectl("label", "namespace", PODS, f"{ALLOWED}=true")
    with_node = Pod("with-node", nodes[0], IMAGES[1], role="worker", port=9191, hostNetwork=True)
    with_node.start()
    said = service.refused(403, "/process/inject", target_pod="with-node", **pause)
    assert "it is on its node's own network" in said
    kubectl("-n", PODS, "delete", "pod", "with-node", "--now")


def test_two_namespaces_with_such_a_pod_are_told_apart(service: Installed, pods: dict[str, Pod]) -> None:
    other = f"{PODS}-too"
    kubectl("create", "namespace", other)
    try:
        kubectl("label", "namespace", other, f"{ALLOWED}=true")
        pod = {"image": IMAGES[1], "command": ["sleep", "1000"]}
        kubectl("-n", other, "run", "vllm-worker-0", f"--image={pod['image']}", "--command", "--", *pod["command"])
        eventually(
            lambda: told("-n", other, "get", "pod", "vllm-worker-0")["status"].get("podIP"),
            within=60,
            describe="it runs",
        )
        asked = {"target_pod": "vllm-worker-0", "fault_type": "PAUSE", "duration_seconds": 5}
        said = service.refused(422, "/process/inject", **asked)
        assert said == f"the pods may be those of {PODS}, {other}: say which namespace is meant"
        fault = service.done("/process/inject", namespace=PODS, **asked)
        assert (fault["namespace"], pods["vllm-worker-0"].process_state()) == (PODS, "T")
    finally:
        kubectl("delete", "namespace", other, "--wait=true")


@pytest.mark.parametrize(("resource", "verb"), RIGHTS)
def test_a_right_that_is_missing_is_named(service: Installed, resource: str, verb: str) -> None:
    """Each of them is needed, then: none is given for nothing."""
    rules = told("get", "clusterrole", "fault-injection-service")["rules"]
    assert sorted((rule["resources"][0], verb) for rule in rules for verb in rule["verbs"]) == RIGHTS
    fewer = [
        rule | {"verbs": [v for v in rule["verbs"] if (rule["resources"][0], v) != (resource, verb)]} for rule in rules
    ]
    set_rules([rule for rule in fewer if rule["verbs"]])
    asked = {"target_pod": "vllm-worker-0", "fault_type": "PAUSE"} | ({"namespace": PODS} if verb == "get" else {})
    try:
        eventually(
            lambda: service.post("/process/inject?dry_run=true", **asked).status_code == 502,
            within=10,
            describe="it is refused",
        )
        said = service.refused(502, "/process/inject", **asked)
        assert f'cannot {verb} resource "{resource}"' in said
        assert "give the service the rights that injector/deploy/base/rbac.yaml lists" in said
    finally:
        set_rules(rules)
    eventually(
        lambda: service.post("/process/inject?dry_run=true", **asked).status_code == 200,
        within=10,
        describe="it is allowed again",
    )


def set_rules(rules: list[dict[str, object]]) -> None:
    patch = json.dumps([{"op": "replace", "path": "/rules", "value": rules}])
    kubectl("patch", "clusterrole", "fault-injection-service", "--type=json", "-p", patch)


@needs_openssl
def test_agents_and_the_service_show_each_other_certificates(
    service: Installed, pods: dict[str, Pod], tmp_path: Path
) -> None:
    shown = certificates(tmp_path / "tls")
    keep_secret("fault-injection-tls", *(f"--from-file={shown / name}" for name in FILES))
    service.apply("overlays/mutual-tls")
    fault = service.done("/process/inject", target_pod="vllm-worker-0", fault_type="PAUSE", duration_seconds=30)
    assert pods["vllm-worker-0"].process_state() == "T"
    assert service.recover(fault)["state"] == "RECOVERED"
    agent = told("-n", HOME, "get", "pods", "-l", AGENTS)["items"][0]["status"]["podIP"]
    words = ["kubectl", "-n", PODS, "exec", "frontend-0", "--", "python", "-c", UNKNOWN, agent, str(AGENT_PORT)]
    stranger = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert stranger.stdout.startswith("b''"), stranger.stdout + stranger.stderr


def test_an_xid_is_in_the_log_of_the_nodes_kernel(service: Installed, tmp_path: Path) -> None:
    """Last: the agents become privileged ones."""
    said = service.refused(501, "/gpu/inject/xid-79", target_pod="vllm-worker-0")
    assert "/dev/kmsg cannot be opened" in said
    service.apply("overlays/kernel-log")
    made = curl(service, tmp_path, LINES["XID_ERROR"])
    assert "GPU has fallen off the bus." in made
    here = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    if here in {node["status"]["nodeInfo"]["bootID"] for node in told("get", "nodes")["items"]}:
        line = json.loads(made)["evidence"][0].partition(" log is '")[2].partition("'")[0]
        assert line in subprocess.check_output(["dmesg"], text=True)
