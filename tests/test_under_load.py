"""A scenario run from Python, and the verbs it needs, on real deployments in a lab."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support.checkers import MigrationChecker, NoTokenLostChecker, SuccessRateChecker, WholeLoadChecker, judge
from support.errors import UsageError
from support.results import process_overflow_recovery_test
from support.scenarios import Failure, Load, Scenario
from support.spec import DeploymentSpec
from support.under_load import run
from support.waiting import scale_deadlines
from tests.in_lab import in_lab, lab_process, target


@pytest.fixture(scope="module", autouse=True)
def _lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with lab_process(tmp_path_factory.mktemp("lab")):
        yield


def folder() -> Path:
    return Path(tempfile.mkdtemp())


@in_lab
def _guides_scenario() -> dict[str, Any]:
    scenario = Scenario(
        name="worker_failure_migration",
        backend="vllm",
        load=Load(clients=10, requests_per_client=20, max_tokens=30),
        failure=Failure(type="pod_kill", target="vllm-worker-0", trigger_after_requests=50),
        overflow=1.0,
        recovery=1.0,
    )
    log_dir = folder()
    context = run(scenario, target(), log_dir, note=lambda words: None)
    verdicts = judge([WholeLoadChecker(), NoTokenLostChecker(), MigrationChecker()], context)
    try:
        told = process_overflow_recovery_test(log_dir=log_dir / "load")
    except UsageError as lacking:
        told = {"lacking": str(lacking)}
    ended = context.loaded.overall.requests
    return {"verdicts": [(one.checker, one.passed, one.saw) for one in verdicts], "told": told, "requests": ended}


def test_the_guides_scenario_runs_and_its_load_is_whole() -> None:
    seen = _guides_scenario()
    assert [(name, passed) for name, passed, _ in seen["verdicts"]] == [
        ("WholeLoadChecker", True),
        ("NoTokenLostChecker", True),
        ("MigrationChecker", True),
    ], seen["verdicts"]
    assert seen["requests"] == 200
    assert "success_rate" in seen["told"] or "RECOVERY" in seen["told"]["lacking"]


@in_lab
def _too_late() -> None:
    scenario = Scenario(
        name="too_late",
        backend="vllm",
        load=Load(clients=4, requests_per_client=5, max_tokens=10),
        failure=Failure(type="kill", target="one worker", trigger_after_requests=1000),
        standard=0.0,
    )
    run(scenario, target(), folder(), note=lambda words: None)


def test_a_failure_that_is_never_triggered_is_an_error() -> None:
    with pytest.raises(AssertionError, match=r"FaultError: .*never triggered: the load was over before"):
        _too_late()


@in_lab
def _when_busy() -> list[float]:
    scenario = Scenario(
        name="when_busy",
        backend="vllm",
        load=Load(clients=12, max_tokens=100),
        failure=Failure(type="pause", target="one worker", when_metric="in_flight > 8", lasts=0.5),
        recovery=1.0,
    )
    context = run(scenario, target(), folder(), note=lambda words: None)
    assert all(verdict.passed for verdict in judge([SuccessRateChecker(), NoTokenLostChecker()], context))
    (mark,) = context.journal.marks
    assert mark.ended_at is not None
    return [mark.ended_at - mark.began_at]


def test_a_failure_can_wait_for_a_metric_and_is_taken_back_after_its_time() -> None:
    (lasted,) = _when_busy()
    assert 0.5 <= lasted < 3


@in_lab
def _on_a_slow_machine() -> list[float]:
    frozen = Failure(type="pause", target="one worker", lasts=1.0)
    scenario = Scenario(
        name="slow",
        backend="vllm",
        load=Load(clients=4, max_tokens=20),
        failures=[frozen, replace(frozen, after_seconds=2.0)],
        standard=0.2,
        recovery=0.2,
    )
    scale_deadlines(5)
    try:
        context = run(scenario, target(), folder(), note=lambda words: None)
    finally:
        scale_deadlines(1)
    first, second = context.journal.marks
    assert first.ended_at is not None
    return [first.ended_at - first.began_at, second.began_at - first.began_at]


def test_longer_deadlines_make_no_failure_longer_or_later() -> None:
    lasted, between = _on_a_slow_machine()
    assert 1 <= lasted < 4
    assert 2 <= between < 8


@in_lab
def _of_different_lengths() -> dict[str, float]:
    long = Failure(type="pause", target="vllm-worker-0", lasts=4.0)
    short = Failure(type="slow", target="vllm-worker-1", at_once=True, lasts=1.0)
    forever = Failure(type="slow", target="vllm-worker-2", at_once=True)
    scenario = Scenario(
        name="lengths",
        backend="vllm",
        deployment={"workers": 3},
        load=Load(clients=4, max_tokens=20),
        failures=[long, short, forever],
        recovery=0.5,
    )
    context = run(scenario, target(), folder(), note=lambda words: None)
    begun = min(mark.began_at for mark in context.journal.marks)
    return {mark.target: (mark.ended_at or 0.0) - begun for mark in context.journal.marks}


def test_failures_that_happen_at_once_each_end_at_their_own_time() -> None:
    lasted = _of_different_lengths()
    assert lasted["vllm-worker-1"] + 2 < lasted["vllm-worker-0"]
    assert abs(lasted["vllm-worker-2"] - lasted["vllm-worker-0"]) < 1


@in_lab
def _scaled() -> list[list[str]]:
    deployment = target().deployment(DeploymentSpec(workers=2))
    try:
        counts = []
        added = deployment.add("worker")
        counts.append([one.name for one in deployment.workers])
        assert len(deployment.instances()) == 3
        assert added.vitals().threads > 1
        assert added.vitals().rss > 10_000_000
        deployment.remove("vllm-worker-0")
        counts.append([one.name for one in deployment.workers])
        deployment.ready()
        assert len(deployment.instances()) == 2
        counts.append(deployment.ailments())
        return counts
    finally:
        target().release(deployment)


def test_a_deployment_grows_and_shrinks_and_is_not_used_again() -> None:
    grown, shrunk, ailments = _scaled()
    assert grown == ["vllm-worker-0", "vllm-worker-1", "vllm-worker-2"]
    assert shrunk == ["vllm-worker-1", "vllm-worker-2"]
    assert ailments == ["vllm-worker-2 was added", "vllm-worker-0 was taken away"]


@in_lab
def _wrong_verbs() -> list[str]:
    deployment = target().deployment(DeploymentSpec(workers=1))
    said = []
    try:
        for wrong in (lambda: deployment.add("etcd"), lambda: deployment.remove("frontend-0")):
            try:
                wrong()
            except UsageError as refused:
                said.append(str(refused))
        return said
    finally:
        target().release(deployment)


def test_only_workers_are_added_and_taken_away() -> None:
    added, removed = _wrong_verbs()
    assert "a etcd cannot be added" in added
    assert removed == "frontend-0 cannot be taken away: only workers can"
