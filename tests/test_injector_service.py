"""The service as its users meet it: its calls by curl and HTTP, over a real agent."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from injector.agents.agent import Agent
from injector.agents.sockets import socket_in
from injector.api_service.drafts import of_network
from injector.api_service.requests import NetworkRequest
from injector.errors import Invalid
from injector.life import State
from injector.words import Kind
from support.waiting import eventually
from tests.in_lab import in_lab, lab_process
from tests.injected import PORT, Ground, ground, order_of
from tests.injection_programs import Programs, programs

API = "http://localhost:8080/api/v1/faults"
GPU = f"""curl -sS -X POST {API}/gpu/inject -H 'Content-Type: application/json' \
-d '{{"target_pod": "vllm-worker-0", "fault_type": "THROTTLE", "severity": "HIGH"}}'"""
XID = f"""curl -sS -X POST {API}/gpu/inject/xid-79 -H 'Content-Type: application/json' \
-d '{{"target_pod": "vllm-worker-0"}}'"""
NETWORK = f"""curl -sS -X POST {API}/network/inject -H 'Content-Type: application/json' \
-d '{{"partition_type": "FRONTEND_WORKER", "duration_seconds": 30}}'"""


@pytest.fixture(scope="module", autouse=True)
def in_one_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with lab_process(tmp_path_factory.mktemp("lab")):
        yield


def shell(command: str) -> str:
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("jq")), reason="needs Debian's packages curl and jq")
@in_lab
def test_the_lines_of_the_testing_guide_work_as_they_are_written() -> None:
    with ground() as around, programs(around):
        made = [json.loads(shell(line)) for line in (GPU, XID, NETWORK)]
        assert [(one["kind"], one["fault_type"], one["state"]) for one in made] == [
            ("GPU", "THROTTLE", "ACTIVE"),
            ("GPU", "XID_ERROR", "ACTIVE"),
            ("NETWORK", "FRONTEND_WORKER", "ACTIVE"),
        ]
        listed = shell(f"curl -sS {API} | jq -r '.[].id'").split()
        assert listed == [one["id"] for one in made]
        assert around.traces()
        for identity in listed:
            assert json.loads(shell(f"curl -sS -X POST {API}/{identity}/recover"))["state"] == "RECOVERED"
        assert shell(f"curl -sS {API} | jq -r '.[].id'") == ""
        assert around.traces() == []


def worker(which: int = 0, /, **more: Any) -> dict[str, Any]:
    return {"target_pod": f"vllm-worker-{which}"} | more


@in_lab
def test_every_refusal_is_one_sentence_with_its_status() -> None:
    with ground() as around:
        around.protected["nats-0"] = "it is dear to us"
        around.write()
        with programs(around) as running:

            def refused(path: str, body: Any, status: int) -> dict[str, Any]:
                answer = running.post(path, body)
                assert answer.status_code == status, answer.text
                assert answer.json()["detail"].count("\n") == 0
                told: dict[str, Any] = answer.json()
                return told

            pause = {"fault_type": "pause"}
            assert "vllm-worker-7" in refused("/process/inject", worker(7, **pause), 404)["detail"]
            assert "it is dear to us" in refused("/process/inject", {"target_pod": "nats-0", **pause}, 403)["detail"]
            assert refused("/gpu/inject", worker(), 422)["field"] == "fault_type"
            assert refused("/gpu/inject", worker(fault_type="THROTTLE", severe=1), 422)["field"] == "severe"
            assert refused("/gpu/inject", worker(fault_type="XID_ERROR"), 422)["detail"].count("parameters.xid") == 1
            assert refused("/gpu/inject/xid-13", worker(), 422)["field"] == "xid"
            message = {"parameters": {"message": "two\nlines"}}
            assert refused("/gpu/inject/xid-79", worker(**message), 422)["field"] == "parameters.message"
            assert refused("/network/inject", {"partition_type": "CUSTOM"}, 422)["field"] == "source"
            odd = {"partition_type": "FRONTEND_WORKER", "action": "REJECT", "loss_percent": 5}
            assert refused("/network/inject", odd, 422)["field"] == "action"
            late = {"partition_type": "FRONTEND_WORKER", "latency_ms": 100}
            assert "netem" in refused("/network/inject", late, 501)["detail"]
            assert "at most 65536 bytes" in refused("/network/inject", {"source": "x" * 70_000}, 422)["detail"]
            assert refused("/nobody/recover", None, 404)
            first = running.post("/process/inject", worker(**pause)).json()
            assert first["id"] in refused("/gpu/inject", worker(fault_type="THROTTLE"), 409)["detail"]
            assert "allow_last_worker" in refused("/process/inject", worker(1, **pause), 403)["detail"]
            asked = worker(1, **pause, allow_last_worker=True)
            assert running.post("/process/inject", asked).status_code == 201
            assert "3600 s at most" in refused("/process/inject", worker(**pause, duration_seconds=4000), 403)["detail"]
            around.faults_allowed = False
            around.write()
            assert "has not opted in" in refused("/process/inject", worker(**pause), 403)["detail"]
            assert {one["state"] for one in running.post("/recover").json()} == {"RECOVERED"}
            running.agent.kill()
            around.faults_allowed = True
            around.write()
            assert "the agent of local is unreachable" in refused("/process/inject", worker(**pause), 502)["detail"]


@in_lab
def test_a_cap_on_faults_at_once() -> None:
    with ground() as around, programs(around, "--most-at-once", "1") as running:
        assert running.post("/gpu/inject/xid-79", worker()).status_code == 201
        refused = running.post("/gpu/inject/xid-48", worker(gpu_index=1))
        assert (refused.status_code, "as many as may be" in refused.text) == (403, True)


@in_lab
def test_a_dry_run_does_nothing_and_says_what_would_be_done() -> None:
    with ground() as around, programs(around) as running:
        (plan,) = running.post("/process/inject?dry_run=true", worker(fault_type="kill", duration_seconds=5)).json()
        assert (plan["targets"], plan["duration_seconds"]) == (["vllm-worker-0"], 5)
        assert "does not come back" in plan["irreversible"]
        (plan,) = running.post("/gpu/inject/xid-79?dry_run=true", worker()).json()
        assert plan["does"]["line"].startswith("kernel: NVRM: Xid (PCI:fa17:c6:00): 79, pid=")
        assert plan["simulated"] is True
        assert running.post("/process/inject?dry_run=true", worker(7, fault_type="kill")).status_code == 404
        assert running.faults() == []
        assert around.traces() == []
        assert around.log.after() == []
        assert all(pod.process and pod.process.poll() is None for pod in around.pods.values())


@in_lab
def test_the_same_id_is_one_fault_and_recovering_twice_is_the_same_answer() -> None:
    with ground() as around, programs(around) as running:
        asked = worker(fault_type="PAUSE", id="mine")
        one, other = (running.post("/process/inject", asked).json() for _ in range(2))
        assert one == other
        assert len(running.faults()) == 1
        assert running.post("/process/inject", asked | {"fault_type": "KILL"}).status_code == 409
        resumed = running.post("/process/inject", worker(fault_type="resume")).json()
        assert (resumed["id"], resumed["state"]) == ("mine", "RECOVERED")
        assert running.post("/mine/recover").json() == resumed
        assert running.http.get("/api/v1/faults/mine").json() == resumed
        assert running.post("/process/inject", worker(fault_type="resume")).status_code == 409


@in_lab
def test_service_and_agent_are_killed_and_started_again_under_a_fault() -> None:
    with ground() as around, programs(around) as running:
        made = running.post("/network/inject", {"partition_type": "worker_nats"}).json()
        assert made["targets"] == ["nats-0", "vllm-worker-0"]
        for program in (running.agent, running.service):
            program.kill()
            program.start()
            running.wait_until_ready()
            (listed,) = running.faults()
            assert (listed["id"], listed["state"]) == (made["id"], "ACTIVE")
        running.agent.kill()
        (listed,) = running.faults()
        assert listed["state"] == "ACTIVE"
        assert running.post(f"/{made['id']}/recover").status_code == 502
        running.agent.start()
        running.wait_until_ready()
        assert running.post(f"/{made['id']}/recover").json()["state"] == "RECOVERED"
        assert around.traces() == []


@in_lab
def test_a_token_is_asked_for_and_needed_beyond_loopback() -> None:
    with ground() as around:
        file = around.folder / "token"
        file.write_text("a-long-enough-token\n")
        with programs(around, "--token-file", str(file)) as running:
            for sent in (None, "Bearer wrong", "Basic a-long-enough-token", "Bearer ä"):
                headers = {} if sent is None else {b"Authorization": sent.encode()}
                answer = running.http.get("/api/v1/faults", headers=headers)
                assert (answer.status_code, "Bearer TOKEN" in answer.text) == (401, True)
            right = {"Authorization": "Bearer a-long-enough-token"}
            assert running.http.get("/api/v1/faults", headers=right).json() == []
            assert running.http.get("/health").status_code == 200
        refused = subprocess.run(
            [sys.executable, "-m", "injector.api_service.main", "--host", "0.0.0.0", "--state", around.folder],
            capture_output=True,
            text=True,
        )
        assert refused.returncode == 1
        assert "give a --token-file, or listen on 127.0.0.1" in refused.stderr


@in_lab
def test_the_audit_log_and_the_metrics_tell_of_every_call() -> None:
    with ground() as around, programs(around) as running:
        made = running.post("/gpu/inject", worker(fault_type="overheat", severity="low")).json()
        running.post("/gpu/inject", worker(7, fault_type="overheat"))
        running.post(f"/{made['id']}/recover")
        lines = (around.folder / "service" / "audit.jsonl").read_text().splitlines()
        told = [json.loads(line) for line in lines]
        assert [(one["status"], one["fault"]) for one in told] == [(201, made["id"]), (404, None), (200, made["id"])]
        assert told[0]["asked"]["severity"] == "LOW"
        assert told[0]["client"] == "127.0.0.1"
        text = running.http.get("/metrics").text
        assert 'dynamo_faults{kind="GPU",state="RECOVERED"} 1.0' in text
        assert 'dynamo_fault_injections_total{kind="GPU",status="201"} 1.0' in text
        assert 'dynamo_fault_seconds_to_proof_count{kind="GPU"} 1.0' in text


@in_lab
def test_a_fault_whose_agent_never_comes_back_ends_with_its_deadline() -> None:
    with ground() as around, programs(around) as running:
        made = running.post("/network/inject", {"partition_type": "FRONTEND_WORKER", "duration_seconds": 1}).json()
        running.agent.kill()
        ended = eventually(lambda: _over(running, made["id"]), within=15, describe="it is over")
        assert ended["state"] == "EXPIRED"
        assert "unreachable" in ended["reason"]
        running.agent.start()  # what stayed of the cut had no effect; it takes that away, too
        running.wait_until_ready()
        assert around.traces() == []


def _over(running: Programs, identity: str) -> dict[str, Any]:
    told: dict[str, Any] = running.http.get(f"/api/v1/faults/{identity}").json()
    assert told["state"] != "ACTIVE"
    return told


@in_lab
@pytest.mark.parametrize(
    "asked",
    [
        {"loss_percent": 20},
        {"loss_percent": 20, "direction": "in"},
        {"bandwidth_mbit": 5},
        {"bandwidth_mbit": 5, "direction": "OUT"},
        {"direction": "IN"},
        {"direction": "OUT"},
        {"action": "reject"},
        {"action": "reject", "direction": "OUT"},
        {"source": "vllm-worker-0", "target": "frontend-0"},
    ],
    ids=str,
)
def test_partitions_of_every_sort(asked: dict[str, Any]) -> None:
    with ground() as around:
        agent = Agent(around.folder / "agent", around.families())
        agent.start()
        request = NetworkRequest.model_validate({"partition_type": "FRONTEND_WORKER"} | asked)
        draft = of_network(request, around.inventory)
        partial = "loss_percent" in asked or "bandwidth_mbit" in asked
        assert [pod.name for pod in draft.strikes] == ([] if partial else ["vllm-worker-0"])
        ((node, pods),) = draft.nodes.items()
        assert len(pods) == (1 if partial or "direction" in asked else 2)
        order = order_of(Kind.NETWORK, draft.fault_type, *(pod.name for pod in pods), **draft.parameters[node])
        fault = agent.inject(order)
        assert fault.evidence[0].startswith("some packets" if partial else "no connection any more")
        assert ("the other end refuses" in fault.evidence[0]) == (asked == {"action": "reject"})
        assert agent.recover(order.id).state is State.RECOVERED
        agent.close()
        assert around.traces() == []


def connects(around: Ground, port: int) -> str:
    """From the frontend to that port of the first worker, on which something may listen: what becomes of it."""
    with socket_in(around.pods["frontend-0"].namespace, socket.AF_INET, socket.SOCK_STREAM) as asks:
        asks.settimeout(0.5)
        try:
            asks.connect((around.pods["vllm-worker-0"].place.address, port))
        except ConnectionRefusedError:
            return "refused"
        except TimeoutError:
            return "silence"
        return "made"


@in_lab
@pytest.mark.parametrize("direction", ["BOTH", "IN", "OUT"])
def test_a_partition_of_some_ports_leaves_the_others_alone(direction: str) -> None:
    with ground() as around, programs(around) as running:
        between = {"source": "frontend-0", "target": "vllm-worker-0", "direction": direction}
        asked = {"partition_type": "CUSTOM", **between, "ports": [PORT, 7]}
        assert (connects(around, PORT), connects(around, PORT + 1)) == ("made", "refused")
        made = running.post("/network/inject", asked)
        assert made.status_code == 201, made.text
        assert (connects(around, PORT), connects(around, PORT + 1)) == ("silence", "refused")
        assert running.post(f"/{made.json()['id']}/recover").json()["state"] == "RECOVERED"
        assert connects(around, PORT) == "made"
        assert around.traces() == []


@in_lab
@pytest.mark.parametrize(
    ("more", "detail"),
    [
        ({"ports": [0]}, "ports.0"),
        ({"ports": []}, "ports"),
        ({"ports": [PORT], "loss_percent": 5}, "is stopped there whole"),
        ({"ports": [PORT], "action": "REJECT"}, "all of it"),
        ({"ports": [PORT], "partition_type": "FRONTEND_WORKER"}, "ports are for CUSTOM"),
    ],
    ids=str,
)
def test_ports_that_cannot_be(more: dict[str, Any], detail: str) -> None:
    with ground() as around, programs(around) as running:
        asked = {"partition_type": "CUSTOM", "source": "frontend-0", "target": "vllm-worker-0"} | more
        answer = running.post("/network/inject", asked)
        assert answer.status_code == 422
        assert detail in str(answer.json()), answer.text
        assert around.traces() == []


@in_lab
@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"partition_type": "FRONTEND_WORKER", "target": "nats-0"}, "target"),
        ({"partition_type": "WORKER_NATS", "source": "frontend-0"}, "source"),
        ({"partition_type": "WORKER_WORKER", "source": "vllm-worker-0", "target": "vllm-worker-0"}, "target"),
        ({"partition_type": "CUSTOM", "source": "vllm-worker-0"}, "target"),
    ],
)
def test_partitions_that_cannot_be(asked: dict[str, Any], field: str) -> None:
    with ground() as around, pytest.raises(Invalid) as refused:
        of_network(NetworkRequest.model_validate(asked), around.inventory)
    assert refused.value.field == field
