"""A deployment that somebody else keeps: what it is, who is who in it, and what can be done to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from injector.labels import PROTECTED, ROLE
from support.attached_target.found import Found, found, port_of, read
from support.attached_target.process import AttachedProcess
from support.attached_target.seats import Seat, Seats
from support.errors import FaultError, LeftOut, Unavailable, UsageError
from support.injection import Injected
from support.spec import DeploymentSpec
from tests.attached_pods import OPERATOR, frontend, pod


def seen(*pods: Any, **described: Any) -> Found:
    return found("serving", pods, described)


# What it is.


def test_its_spec_is_read_from_what_its_pods_run() -> None:
    its = seen(frontend(), pod("w-b"), pod("w-a"), pod("unrelated", labels={"app": "grafana"}))
    assert its.roles == {"frontend-0": "frontend", "vllm-worker-0": "worker", "vllm-worker-1": "worker"}
    assert its.spec() == DeploymentSpec(engine="real", backend="vllm", workers=2, migration_limit=3)


def test_prefill_and_decode_workers_are_told_apart_by_the_more_precise_label() -> None:
    parts = [
        pod(kind, labels={OPERATOR: "worker", "nvidia.com/dynamo-sub-component-type": kind})
        for kind in ("prefill", "decode")
    ]
    its = seen(frontend(), *parts)
    assert its.roles == {"frontend-0": "frontend", "vllm-prefill-0": "prefill", "vllm-decode-0": "decode"}
    assert its.known["workers"] == 0


@pytest.mark.parametrize(
    ("command", "environment", "expected"),
    [
        ("python3 -m dynamo.sglang", {}, {"engine": "real", "backend": "sglang"}),
        ("exec python3 -m dynamo.mocker --engine-type=trtllm", {}, {"engine": "mocker", "backend": "trtllm"}),
        ("python3 /opt/specs/support/engines/counting.py --slots 4", {}, {"engine": "counting", "slots": 4}),
        ("./serve.sh", {"DYN_REQUEST_PLANE": "nats"}, {"engine": "real", "request_plane": "nats"}),
    ],
)
def test_engine_and_settings(command: str, environment: dict[str, str], expected: dict[str, object]) -> None:
    known = seen(frontend(), pod("w", command=command, environment=environment)).known
    assert {name: known[name] for name in expected} == expected


def test_what_is_said_beats_what_is_seen() -> None:
    its = seen(frontend(), pod("w"), slots=64, migration_limit=0, model="Qwen")
    assert (its.known["slots"], its.known["migration_limit"], its.model) == (64, 0, "Qwen")


@pytest.mark.parametrize(
    ("pods", "lacks"), [([frontend()], "worker"), ([pod("w")], "frontend"), ([pod("w", labels={})], "frontend")]
)
def test_pods_that_are_no_deployment_are_refused(pods: list[Any], lacks: str) -> None:
    with pytest.raises(Unavailable, match=f"no pod in serving is a {lacks}.* label others dynamo-faults/role={lacks}"):
        seen(*pods)


# Which scenarios it is for.


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({}, None),
        ({"workers": 2}, "has workers=1, and the scenario is about workers=2"),
        ({"migration_limit": 0}, "has migration_limit=3, and the scenario is about migration_limit=0"),
        ({"slots": 2}, "nobody says whether the deployment in serving has slots=2: say it in the file of -D described"),
        ({"environment": (("A", "b"),)}, "the scenario sets A, which only its owner can"),
        ({"restart": "always"}, None),
    ],
)
def test_a_scenario_that_asks_for_another_deployment_is_told_why(asked: dict[str, Any], reason: str | None) -> None:
    its = seen(frontend(), pod("w"))
    told = its.differs(its.spec().but(**asked))
    assert told == reason if reason is None else reason in (told or "")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("slot: 4", "unknown field slot: did you mean 'slots'"),
        ("slots: many", "slots is 'many', and must be like 16"),
        ("slots: 0", "slots is 0: it must be 1 or more"),
        ("backend: llamacpp", "unknown backend 'llamacpp'"),
        ("- slots", "must be a table of fields"),
        ("{", "cannot be read"),
    ],
)
def test_a_description_that_makes_no_sense_is_refused(tmp_path: Path, text: str, match: str) -> None:
    file = tmp_path / "described.yaml"
    file.write_text(text)
    with pytest.raises(UsageError, match=match):
        read(file)


def test_a_description(tmp_path: Path) -> None:
    file = tmp_path / "described.yaml"
    file.write_text("model: Qwen/Qwen3-0.6B\nslots: 64\n")
    assert read(file) == {"model": "Qwen/Qwen3-0.6B", "slots": 64}
    assert read(None) == {}


@pytest.mark.parametrize(
    ("one", "port", "expected"),
    [
        (pod("w"), 9090, 9090),
        (pod("w", ports={"system": 8081}), 9090, 8081),
        (pod("w", environment={"DYN_SYSTEM_PORT": "8082"}, ports={"system": 8081}), 9090, 8082),
        (frontend(command="python3 -m dynamo.frontend --http-port 8123"), 8000, 8123),
        (frontend(), 8000, 8000),
    ],
)
def test_ports_are_those_of_the_pod(one: Any, port: int, expected: int) -> None:
    assert port_of(one, port) == expected


# Who is who.


def seats(**roles: Any) -> Seats:
    return Seats([Seat(name.replace("_", "-"), role) for name, role in roles.items()], lambda seat: None)


def by_name(*pods: Any) -> dict[str, Any]:
    return {one.metadata.name: one for one in pods}


def test_a_pod_keeps_its_name_until_it_is_gone() -> None:
    its = seats(vllm_worker_0="worker", vllm_worker_1="worker")
    old, young = pod("w-z"), pod("w-a", created="2026-11-27T11:00:00Z")
    its.take(by_name(young, old))
    assert [seat.pod.metadata.name for seat in its.of.values()] == ["w-z", "w-a"]
    newest = pod("w-b", created="2026-11-27T12:00:00Z")
    its.take(by_name(young))
    assert its.of["vllm-worker-0"].pod is None
    its.take(by_name(newest, young))
    assert [seat.pod.metadata.name for seat in its.of.values()] == ["w-b", "w-a"]


def test_a_pod_that_its_node_has_evicted_is_gone_although_it_lies_about() -> None:
    its = seats(vllm_worker_0="worker")
    seat = its.of["vllm-worker-0"]
    its.take(by_name(pod("w-a")))
    evicted, another = pod("w-a", phase="Failed", running=False), pod("w-b", created="2026-11-27T12:00:00Z")
    its.take(by_name(evicted))
    its.take(by_name(evicted))
    assert (seat.pod, seat.ends) == (None, [-9])
    its.take(by_name(evicted, another))
    assert (seat.pod, seat.ends) == (another, [-9])


def test_a_pod_that_is_over_says_how_its_container_ended() -> None:
    its = seats(vllm_worker_0="worker")
    its.take(by_name(pod("w-a")))
    over = pod("w-a", phase="Succeeded", running=False)
    over.status.container_statuses[1].state = client.V1ContainerState.from_dict(
        {"terminated": {"containerID": "containerd://aaaaaaa1", "exitCode": 0}}
    )
    its.take(by_name(over))
    assert (its.of["vllm-worker-0"].ends, its.of["vllm-worker-0"].pod) == ([0], None)


def test_a_pod_of_a_set_is_the_component_of_its_own_name() -> None:
    its = seats(vllm_worker_0="worker", vllm_worker_1="worker")
    its.take(by_name(pod("vllm-worker-1"), pod("vllm-worker-0", created="2026-11-27T12:00:00Z")))
    assert [seat.pod.metadata.name for seat in its.of.values()] == ["vllm-worker-0", "vllm-worker-1"]


def test_a_new_pod_of_the_same_name_is_another_one() -> None:
    its = seats(vllm_worker_0="worker")
    its.take(by_name(pod("vllm-worker-0", container="containerd://1", uid="first")))
    its.take(by_name(pod("vllm-worker-0", container="containerd://2", uid="second")))
    assert its.of["vllm-worker-0"].ends == [-9]
    assert its.of["vllm-worker-0"].container == "containerd://2"


@pytest.mark.parametrize(("status", "expected"), [(137, -9), (0, 0), (1, 1), (143, -15)])
def test_how_a_container_ended_is_told_by_its_successor(status: int, expected: int) -> None:
    its = seats(vllm_worker_0="worker")
    its.take(by_name(pod("w", container="containerd://1")))
    its.take(by_name(pod("w", container="containerd://2", ended=("containerd://1", status))))
    assert its.of["vllm-worker-0"].ends == [expected]


def test_a_container_that_waits_does_not_run() -> None:
    its = seats(vllm_worker_0="worker")
    its.take(by_name(pod("w", container="containerd://1")))
    its.take(by_name(pod("w", container="containerd://1", running=False, ended=("containerd://1", 137))))
    assert (its.of["vllm-worker-0"].container, its.of["vllm-worker-0"].ends) == ("", [-9])


# What can be done to it.


class Hands:
    """A cluster that deletes pods, and an injection service; both have their effect at once."""

    def __init__(self, seat: Seat) -> None:
        self.done: list[tuple[Any, ...]] = []
        self._seat = seat

    def delete_pod(self, namespace: str, name: str, *, grace: int | None) -> None:
        self.done.append(("deleted", namespace, name, grace))
        self._seat.take(None)

    def strike_process(self, component: str, kind: str, *, seconds: float) -> Any:
        self.done.append((kind, component))
        if kind == "KILL":
            self._seat.take(pod("w", container="containerd://2"))
        return Injected("f1", "ACTIVE", (), simulated=False, irreversible=None)

    def recover(self, identity: str) -> None:
        self.done.append(("recovered", identity))

    @property
    def kinds(self) -> list[str]:
        return [str(one[0]) for one in self.done]


def process(*, installed: bool) -> tuple[AttachedProcess, Hands, Seat]:
    seat = Seat("vllm-worker-0", "worker")
    seat.take(pod("w"))
    hands = Hands(seat)
    made: Any = AttachedProcess(hands, "serving", seat, lambda: hands if installed else None)  # type: ignore[arg-type, return-value]
    return made, hands, seat


def test_it_is_killed_by_the_injection_service() -> None:
    its, hands, _ = process(installed=True)
    its.kill()
    assert hands.kinds == ["KILL"]
    assert (its.exits, its.running) == ([-9], True)


def test_it_is_asked_to_end_by_deleting_its_pod() -> None:
    its, hands, _ = process(installed=True)
    its.terminate()
    assert hands.done == [("deleted", "serving", "w", None)]


def test_what_its_owner_protects_is_not_asked_to_end() -> None:
    its, hands, seat = process(installed=True)
    seat.take(pod("w", labels={ROLE: "worker", PROTECTED: "billing"}))
    with pytest.raises(LeftOut, match=r"cannot be asked to end, .* in serving: its owner protects it: billing"):
        its.terminate()
    assert not hands.done


def test_what_only_an_owner_can_do_is_left_out() -> None:
    its, hands, _ = process(installed=True)
    for deed in (
        lambda: its.kill(for_good=True),
        lambda: its.terminate(for_good=True),
        its.interrupt,
        its.vitals,
        lambda: its.run_next([], {}),
    ):
        with pytest.raises(LeftOut, match="a pod of somebody else's in serving"):
            deed()
    assert not hands.done


def test_without_a_service_it_is_neither_killed_nor_frozen() -> None:
    its, hands, _ = process(installed=False)
    for deed in (its.kill, its.pause):
        with pytest.raises(LeftOut, match="only the injection service can do that, and none is installed"):
            deed()
    assert not hands.done


def test_only_who_runs_is_killed() -> None:
    its, hands, seat = process(installed=True)
    seat.take(None)
    with pytest.raises(FaultError, match="vllm-worker-0 is not running"):
        its.kill()
    assert not hands.done


def test_it_is_frozen_until_it_is_let_go_on() -> None:
    its, hands, _ = process(installed=True)
    its.pause()
    assert its.frozen
    its.resume()
    its.resume()
    assert not its.frozen
    assert hands.done == [("PAUSE", "vllm-worker-0"), ("recovered", "f1")]


def test_its_number_is_its_containers() -> None:
    its, _, seat = process(installed=True)
    first = its.pid
    seat.take(pod("w", container="containerd://ccccccc2"))
    assert its.pid != first
