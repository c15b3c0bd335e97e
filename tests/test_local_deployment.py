"""The local target with real Dynamo, in a lab: deployments become ready, obey, are told apart, and leave nothing."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hamcrest import (
    assert_that,
    contains_inanyorder,
    contains_string,
    empty,
    equal_to,
    greater_than,
    has_length,
    instance_of,
    is_,
    less_than,
    same_instance,
    starts_with,
)

from support import commands
from support.commands import Command
from support.counts import ONGOING_MIGRATIONS, WORKER_CANCELLATIONS
from support.deployment import Component, Deployment
from support.errors import DeploymentError, FaultError, NotWithin, Unavailable, UsageError
from support.local import lab
from support.local.deployment import LocalDeployment
from support.local.target import LocalTarget
from support.matchers import complete_answer, counted_answer
from support.phrases import Ask
from support.pool import IDLE
from support.requests import CancellableRequest
from support.settings import Settings
from support.spec import PLANES, DeploymentSpec
from support.waiting import eventually
from tests.in_lab import in_lab, lab_process, processes_of, target

AGGREGATED = DeploymentSpec(workers=2, migration_limit=3)


@pytest.fixture(scope="module", autouse=True)
def in_one_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with lab_process(tmp_path_factory.mktemp("lab")):
        yield


@contextmanager
def deployed(spec: DeploymentSpec, *, healthy: bool = True) -> Iterator[LocalDeployment]:
    """Inside: such a deployment. healthy: it must have no ailments in the end; else it must have some."""
    deployment = target().deployment(spec)
    assert isinstance(deployment, LocalDeployment)
    try:
        yield deployment
        settled(deployment)
        ailments = deployment.ailments()
    finally:
        target().release(deployment)
    assert_that(not ailments, equal_to(healthy), str(ailments))
    assert_that(deployment.frontend.running, equal_to(healthy))


@in_lab
def test_ready_means_that_everything_is_up_and_serves() -> None:
    with deployed(AGGREGATED) as deployment:
        assert_that(
            list(deployment.components),
            equal_to(["etcd-0", "nats-0", "frontend-0", "vllm-worker-0", "vllm-worker-1"]),
        )
        assert_that([one.running for one in deployment.components.values()], equal_to([True] * 5))
        addresses = {worker.address for worker in deployment.workers}
        assert_that({instance.address for instance in deployment.instances()}, equal_to(addresses))
        assert_that([instance.component for instance in deployment.instances()], equal_to(["backend"] * 2))
        assert_that(stream(deployment, 20).finished(within=10), complete_answer(20))


@in_lab
def test_components_of_a_name_that_is_not_there() -> None:
    with deployed(AGGREGATED) as deployment, pytest.raises(UsageError, match="it has etcd-0, nats-0, fron"):
        deployment.component("vllm-worker-7")


@in_lab
def test_an_equal_spec_gets_the_same_deployment_another_one_its_own() -> None:
    with deployed(AGGREGATED) as first:
        pass
    with deployed(DeploymentSpec(workers=2, migration_limit=3)) as second:
        assert_that(second, same_instance(first))
        with deployed(AGGREGATED) as busy:  # in use: not shared
            assert_that(busy is not first)
    with deployed(AGGREGATED.but(migration_limit=2)) as other:
        assert_that(other is not first)
        assert_that(other.spec.migration_limit, equal_to(2))


@in_lab
def test_the_pool_keeps_a_few_the_rest_is_taken_away() -> None:
    made = [target().deployment(AGGREGATED.but(workers=1, slots=slots)) for slots in (1, 2, 3)]
    for deployment in made:
        target().release(deployment)
    up = [deployment for deployment in made if deployment.frontend.running]
    assert_that(up, equal_to(made[-IDLE:]))


@in_lab
def test_after_a_kill_the_next_scenario_gets_another() -> None:
    with deployed(AGGREGATED, healthy=False) as struck:
        struck.workers[0].kill()
        assert_that(", ".join(struck.ailments()), starts_with("vllm-worker-0 "))
        stored = set(Path(os.environ["TMPDIR"]).glob("*/d*/etcd-0"))
    assert_that(stored - set(Path(os.environ["TMPDIR"]).glob("*/d*/etcd-0")), has_length(1))
    assert_that([one.running for one in struck.components.values()], equal_to([False] * 5))
    with deployed(AGGREGATED) as next_one:
        assert_that(next_one is not struck)


@in_lab
def test_a_request_that_still_runs_is_an_ailment() -> None:
    request: CancellableRequest
    with deployed(AGGREGATED.but(tokens_per_second=1), healthy=False) as deployment:
        request = stream(deployment, 100)
        request.wait_for_tokens(1)
        assert_that(deployment.in_flight()["frontend-0"], equal_to(1))
    assert_that(request.finished(within=10).status, equal_to("error"))


@in_lab
def test_fresh_never_reuses() -> None:
    fresh = LocalTarget(Settings(fresh=True), logs=Path(os.environ["TMPDIR"]) / "logs-fresh")
    try:
        first = fresh.deployment(AGGREGATED.but(workers=1))
        fresh.release(first)
        assert_that(first.frontend.running, is_(False))
    finally:
        fresh.close()
    fresh.close()


@in_lab
def test_a_killed_worker_leaves_the_list_a_restarted_one_comes_back() -> None:
    with deployed(AGGREGATED, healthy=False) as deployment:
        worker = deployment.workers[0]
        worker.kill()
        listed(deployment, 1, within=15)
        assert_that({one.address for one in deployment.instances()}, equal_to({deployment.workers[1].address}))
        worker.restart()
        listed(deployment, 2, within=10)
        assert_that(stream(deployment, 5).finished(within=10), complete_answer(5))
        before = deployment.workers[1].pid
        deployment.workers[1].restart()  # of one that runs: killed first
        assert_that(deployment.workers[1].pid != before)
        ailments = ", ".join(deployment.ailments())
        assert_that(ailments, contains_string("vllm-worker-0 "))
        assert_that(ailments, contains_string("vllm-worker-1 "))


@in_lab
def test_a_terminated_worker_drains_and_leaves_the_list() -> None:
    with deployed(AGGREGATED, healthy=False) as deployment:
        request = stream(deployment, 100)
        worker = serving(deployment, request)
        worker.terminate()
        assert_that(request.finished(within=20), complete_answer(100))
        eventually(lambda: not worker.running, within=20, describe="it has ended")
        listed(deployment, 1, within=5)
        with pytest.raises(FaultError, match="not running"):
            worker.terminate()


@in_lab
def test_a_paused_worker_answers_nothing_and_goes_on_when_resumed() -> None:
    with deployed(AGGREGATED) as deployment:
        request = stream(deployment, 100)
        request.wait_for_tokens(10)
        worker = serving(deployment, request)
        worker.pause()
        assert_that(worker.running)
        assert_that(deployment.ailments(), equal_to([f"{worker.name} is frozen"]))
        with pytest.raises(ConnectionError, match=f"{worker.name} does not answer /metrics"):
            worker.metrics()
        assert_that(request.record.status, equal_to("running"))
        worker.resume()
        worker.resume()
        assert_that(request.finished(within=10), complete_answer(100))


@in_lab
def test_with_the_policy_always_a_killed_worker_comes_back_by_itself() -> None:
    with deployed(AGGREGATED.but(workers=1, restart="always"), healthy=False) as deployment:
        (worker,) = deployment.workers
        first, gone = worker.pid, deployment.instances()[0].id
        worker.kill()
        eventually(
            lambda: [one.id for one in deployment.instances() if one.id != gone],
            within=20,
            describe="a new worker is listed",
        )
        assert_that(worker.pid != first)


@in_lab
def test_logs_are_of_this_scenario_only() -> None:
    ids = []
    for _ in range(2):
        with deployed(AGGREGATED) as deployment:
            request = stream(deployment, 5)
            request.finished(within=10)
            ids.append(request.request_id)
            logs = "".join(one.logs() for one in (deployment.frontend, *deployment.workers))
            assert_that(logs, contains_string(ids[-1]))
            assert_that(ids[0] in logs, is_(ids[0] == ids[-1]))
            assert_that("\x1b[" not in logs)


@in_lab
def test_every_component_has_metrics() -> None:
    with deployed(AGGREGATED) as deployment:
        stream(deployment, 5).finished(within=10)
        scrapes = {name: one.metrics() for name, one in deployment.components.items()}
        assert_that("etcd_server_has_leader" in scrapes["etcd-0"])
        assert_that(scrapes["nats-0"].total("nats_connections"), instance_of(float))
        assert_that(scrapes["frontend-0"].total("dynamo_frontend_requests_total"), greater_than(0))
        tokens = sum(scrapes[one.name].total("counting_engine_tokens_total") for one in deployment.workers)
        assert_that(tokens, greater_than(4))


@in_lab
def test_the_serving_worker_is_seen() -> None:
    with deployed(AGGREGATED) as deployment:
        requests = [stream(deployment, 150) for _ in range(2)]
        workers = [serving(deployment, request) for request in requests]
        assert_that(workers, contains_inanyorder(*deployment.workers))
        for request in requests:
            assert_that(request.finished(within=10), complete_answer(150))
        eventually(
            lambda: not any(deployment.serving_workers(one.request_id) for one in requests),
            within=2,
            describe="nobody serves them any more",
        )


@in_lab
def test_a_request_that_nobody_serves() -> None:
    with deployed(AGGREGATED) as deployment:
        assert_that(deployment.serving_workers("no-such-request"), empty())
        with pytest.raises(DeploymentError, match="seen to serve request no-such-request: not within 5 s"):
            deployment.serving_worker("no-such-request")


@in_lab
def test_a_killed_workers_stream_goes_on_at_the_other() -> None:
    with deployed(AGGREGATED, healthy=False) as deployment:
        request = stream(deployment, 200)
        request.wait_for_tokens(30)
        first = serving(deployment, request)
        first.kill()
        request.wait_for_tokens(100)
        assert_that(serving(deployment, request) is not first)
        assert_that(request.finished(within=10), complete_answer(200))
        assert_that(ONGOING_MIGRATIONS.read(deployment.frontend.metrics()), equal_to(1))


@pytest.mark.parametrize("plane", ["tcp", "nats"])
@pytest.mark.parametrize("engine", ["counting", "mocker"])
@in_lab
def test_prefill_and_decode_workers_serve_together(engine: Any, plane: Any) -> None:
    spec = DeploymentSpec(workers=0, prefill=1, decode=1, engine=engine, request_plane=plane, backend="sglang")
    with deployed(spec) as deployment:
        assert_that([one.name for one in deployment.workers], equal_to(["sglang-prefill-0", "sglang-decode-0"]))
        components = {instance.component for instance in deployment.instances()}
        assert_that(components, has_length(2))
        assert_that("prefill" in components)
        request = stream(deployment, 100)
        request.wait_for_tokens(5)
        assert_that(serving(deployment, request).role, equal_to("decode"))
        whole = complete_answer(100) if engine == "counting" else counted_answer(100)
        assert_that(request.finished(within=20), whole)


@in_lab
def test_three_etcd_members_are_one_cluster_and_one_may_go() -> None:
    with deployed(AGGREGATED.but(workers=1, etcd_members=3), healthy=False) as deployment:
        members = deployment.of_role("etcd")
        leaders = [one for one in members if one.metrics().total("etcd_server_is_leader")]
        assert_that(leaders, has_length(1))
        leaders[0].kill()
        rest = [one for one in members if one is not leaders[0]]
        eventually(
            lambda: sum(one.metrics().total("etcd_server_is_leader") for one in rest) == 1,
            within=10,
            describe="there is a new leader",
        )
        assert_that(stream(deployment, 5).finished(within=10), complete_answer(5))
        leaders[0].restart()
        assert_that(leaders[0].metrics().total("etcd_server_has_leader"), equal_to(1))


@in_lab
def test_the_nats_plane_serves_and_its_cancellations_are_counted() -> None:
    with deployed(AGGREGATED.but(request_plane="nats", backend="trtllm")) as deployment:
        assert_that([one.address for one in deployment.instances()], equal_to(["", ""]))
        request = stream(deployment, 2000)
        request.wait_for_tokens(5)
        worker = serving(deployment, request)
        request.cancel()
        eventually(
            lambda: WORKER_CANCELLATIONS.read(worker.metrics()) == 1,
            within=2,
            describe="the worker counts a cancellation",
        )
        assert_that(stream(deployment, 20).finished(within=10), complete_answer(20))


@in_lab
def test_without_workers_it_is_ready_and_serves_nobody() -> None:
    with deployed(DeploymentSpec(workers=0)) as deployment:
        assert_that(deployment.instances(), empty())


@in_lab
def test_a_component_that_cannot_be_configured_so_ends_the_start_at_once() -> None:
    begun = time.monotonic()
    spec = AGGREGATED.but(environment=(("DYN_REQUEST_PLANE", "nonsense"), ("DYN_HTTP_PORT", "nonsense")))
    with pytest.raises(DeploymentError, match=r"ended \(with -?\d+\) and is not running; its last lines were\n    .+"):
        target().deployment(spec.but(environment=(*spec.environment, ("PYTHONHOME", "/nowhere"))))
    assert_that(time.monotonic() - begun, less_than(10))


@in_lab
def test_a_program_that_does_not_exist_ends_the_start_at_once() -> None:
    with pytest.MonkeyPatch.context() as patched:
        broken = commands._COMMANDS | {"worker": lambda *_: Command(["/no/such/program"])}
        patched.setattr(commands, "_COMMANDS", broken)
        with pytest.raises(DeploymentError, match=r"vllm-worker-\d ended \(with 127\)(.|\n)*/no/such/program"):
            target().deployment(AGGREGATED.but(slots=7))


@in_lab
def test_what_this_machine_cannot_do_is_one_sentence() -> None:
    for change, sentence in (
        ({"engine": "real"}, "need a GPU and a cluster"),
        ({"dynamo": "9.9.9"}, r"Dynamo 9\.9\.9 is not installed \(there is .*\): './specs setup --dynamo 9\.9\.9'"),
        ({"dynamo": "1.3.0"}, r"needs Dynamo 1\.4 or newer, this run is on 1\.3\.0"),
    ):
        with pytest.raises(Unavailable, match=sentence):
            target().deployment(AGGREGATED.but(**change))


@in_lab
def test_the_report_gets_versions_and_machine() -> None:
    facts = target().facts()
    assert_that(facts["Network"], equal_to("a namespace per component"))
    assert_that(facts["etcd"], contains_string("."))


@in_lab
def test_close_ends_everything_also_what_is_in_use() -> None:
    other = LocalTarget(Settings(), logs=Path(os.environ["TMPDIR"]) / "logs-other")
    idle = other.deployment(AGGREGATED.but(workers=1))
    other.release(idle)
    busy = other.deployment(AGGREGATED.but(workers=1, slots=3))
    pids = [one.pid for deployment in (idle, busy) for one in deployment.components.values()]
    namespaces = set(Path("/run/netns").iterdir())
    scratch = {folder for folder in Path(os.environ["TMPDIR"]).iterdir() if folder.name != "logs"}
    other.close()
    other.close()
    assert_that([pid for pid in pids if Path(f"/proc/{pid}").exists()], empty())
    assert_that(namespaces - set(Path("/run/netns").iterdir()), has_length(len(pids)))
    assert_that([folder for folder in scratch if not folder.exists()], has_length(1))


def test_without_namespaces_it_serves_on_shared_loopback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert not lab.inside()
    shared = LocalTarget(Settings(), logs=tmp_path / "logs")
    try:
        assert shared.facts()["Network"] == "shared loopback, no partitions"
        one, other = (shared.deployment(AGGREGATED.but(request_plane=plane)) for plane in PLANES)
        assert one.base_url.startswith("http://127.0.0.1:")
        assert one.base_url != other.base_url
        for deployment in (one, other):
            request = stream(deployment, 200)
            request.wait_for_tokens(20)
            serving(deployment, request).kill()
            assert_that(request.finished(within=20), complete_answer(200))
            shared.release(deployment)
        assert processes_of(tmp_path) == []
    finally:
        shared.close()
    assert [entry.name for entry in tmp_path.iterdir()] == ["logs"]


def stream(deployment: Deployment, tokens: int) -> CancellableRequest:
    return Ask(tokens=tokens, chat=False, stream=True).of(deployment)


def serving(deployment: Deployment, request: CancellableRequest) -> Component:
    return deployment.serving_worker(request.request_id)


def settled(deployment: LocalDeployment) -> None:
    """What it counts as in flight lags a moment behind the end of an answer."""
    with suppress(NotWithin):
        eventually(lambda: not deployment.ailments(), within=0.5, describe="it has no ailments")


def listed(deployment: Deployment, count: int, *, within: float) -> None:
    """The frontend lists that many workers."""
    eventually(
        lambda: len(deployment.instances()) == count,
        within=within,
        describe=f"{count} workers are listed",
        last_seen=lambda: str(deployment.instances()),
    )
