"""Scenario, Load, Failure: as the guide writes them, and refused when they make no sense."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.deeds import failures_of
from support.errors import UsageError
from support.faults import Stage, kind, kinds
from support.load.plan import LoadPlan
from support.scenarios import Crossing, Failure, Load, Scenario
from support.victims import victims
from tests.made_deployments import deployment_of


def test_the_guides_scenario_is_taken_as_printed() -> None:
    scenario = Scenario(
        name="worker_failure_migration",
        backend="vllm",
        load=Load(clients=10, requests_per_client=100, max_tokens=256),
        failure=Failure(type="pod_kill", target="vllm-worker-0", trigger_after_requests=50),
    )
    (failure,) = scenario.all_failures
    assert kind(failure.type).__name__ == "Kill"


def test_every_kind_that_is_promised_is_there() -> None:
    wanted = {
        "kill",
        "pod_kill",
        "terminate",
        "interrupt",
        "engine_failure",
        "absence",
        "pause",
        "rolling_restart",
        "rolling_replacement",
        "rolling_upgrade",
        "scale_up",
        "scale_down",
        "token_overflow",
        "overload",
        "gone",
        "churn",
        "slow",
        "urgent",
    }
    assert wanted <= set(kinds())


BAD: dict[str, tuple[Any, str]] = {
    "two times": (lambda: Failure(type="kill", after_seconds=1, trigger_after_requests=2), "more than one time"),
    "an unknown phase": (lambda: Failure(type="kill", at_phase="LUNCH"), "unknown phase 'LUNCH'"),
    "no condition": (lambda: Failure(type="kill", when_metric="busy"), "is no condition"),
    "nobody": (lambda: Failure(type="kill", target=" "), "names nobody"),
    "a time before": (lambda: Failure(type="kill", after_seconds=-1), "must be 0 or more"),
    "no clients": (lambda: Load(clients=0), "clients of a load is 0"),
    "rate and requests": (lambda: Load(rate=1, requests_per_client=1), "either a rate or requests per client"),
    "an unknown backend": (lambda: Scenario(name="x", backend="tgi"), "unknown backend"),  # type: ignore[arg-type]
    "failure and failures": (
        lambda: Scenario(name="x", backend="vllm", failure=Failure(type="kill"), failures=[Failure(type="kill")]),
        "either failure or failures",
    ),
    "an unknown kind": (lambda: kind("pod_kil"), "did you mean 'pod_kill'"),
    "an unknown parameter": (
        lambda: kind("kill").of(_stage(), [], {"force": "yes"}),
        "has no parameter 'force': it takes none",
    ),
    "an upgrade to nothing": (lambda: kind("rolling_upgrade").of(_stage(), [], {}), "needs the version"),
    "no times": (lambda: kind("churn").of(_stage(), [], {"times": "0"}), "must be a whole number, 1 or more"),
    "a slowness of its own": (lambda: kind("slow").of(_stage(), [], {"factor": "3"}), "has no parameter 'factor'"),
    "a parameter that is no number": (
        lambda: kind("overload").of(_stage(), [], {"clients": "many"}),
        "must be a whole number",
    ),
}


def _stage() -> Stage:
    return Stage(deployment_of(workers=2), LoadPlan(base_url="http://f", model="m"), Path("/nowhere"))


@pytest.mark.parametrize("bad", BAD)
def test_what_makes_no_sense_is_refused(bad: str) -> None:
    make, words = BAD[bad]
    with pytest.raises(UsageError, match=words):
        make()


@pytest.mark.parametrize(
    ("engine", "reason"),
    [
        ("counting", None),
        ("mocker", "only the counting engine can be made slow, and this deployment has the mocker engine"),
    ],
)
def test_only_the_counting_engine_can_be_made_slow(engine: str, reason: str | None) -> None:
    stage = Stage(deployment_of(engine=engine), _stage().plan, Path("/nowhere"))
    (slow,) = kind("slow").of(stage, victims(stage.deployment, "one worker"), {})
    nowhere: Any = None
    assert slow.available(nowhere) == reason


def test_a_crossing_is_met_beyond_its_bound_only() -> None:
    assert Crossing.parse("in_flight > 10").met(11)
    assert not Crossing.parse("in_flight > 10").met(10)
    assert Crossing.parse("running < 2").met(1)


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("vllm-worker-1", ["vllm-worker-1"]),
        ("vllm-worker-0, etcd-0", ["vllm-worker-0", "etcd-0"]),
        ("the frontend", ["frontend-0"]),
        ("one worker", ["vllm-worker-1"]),
        ("every worker", ["vllm-worker-0", "vllm-worker-1", "vllm-worker-2"]),
        ("2 workers", ["vllm-worker-1", "vllm-worker-0"]),
        ("half of the workers", ["vllm-worker-1", "vllm-worker-0"]),
        ("the GPU of one worker", ["vllm-worker-1"]),
    ],
)
def test_victims_are_found_by_name_and_by_intent_the_busiest_first(words: str, names: list[str]) -> None:
    deployment = deployment_of(workers=3, busy={"vllm-worker-1": 4})
    assert [one.name for one in victims(deployment, words)] == names


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("vllm-worker-9", "no component 'vllm-worker-9'"),
        ("every prefill worker", "names nobody: this deployment has"),
        ("5 workers", "more than there are"),
        ("somebody", "no component 'somebody'"),
    ],
)
def test_a_failure_that_names_nobody_is_refused(words: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        victims(deployment_of(workers=2), words)


def test_a_table_says_what_happens_to_whom_and_when() -> None:
    rows = [
        {"what happens": "killed", "to whom": "one worker", "when": "after 40 requests"},
        {"what happens": "frozen for 5 seconds", "to whom": "the frontend", "when": "at once"},
        {"what happens": "asked to end", "to whom": "2 workers", "when": "1.5 seconds later"},
        {"what happens": "killed", "to whom": "one worker", "when": "when in_flight > 10"},
        {"what happens": "killed", "to whom": "one worker", "when": "during RECOVERY"},
        {"what happens": "killed and started again 5 times", "to whom": "one worker", "when": "at once"},
        {"what happens": "gone for 13 seconds", "to whom": "one worker", "when": "2 seconds later"},
        {"what happens": "ten times slower for 5 seconds", "to whom": "one worker", "when": "1 second later"},
        {"what happens": "severely throttled", "to whom": "the GPU of one worker", "when": "at once"},
        {"what happens": "struck by XID 79, by a fault of 5 seconds", "to whom": "one worker", "when": "at once"},
        {"what happens": "refused by NATS for 4 seconds", "to whom": "one worker", "when": "at once"},
    ]
    assert failures_of(rows) == [
        Failure(type="kill", target="one worker", trigger_after_requests=40),
        Failure(type="pause", target="the frontend", at_once=True, lasts=5.0),
        Failure(type="terminate", target="2 workers", after_seconds=1.5),
        Failure(type="kill", target="one worker", when_metric="in_flight > 10"),
        Failure(type="kill", target="one worker", at_phase="RECOVERY"),
        Failure(type="churn", target="one worker", at_once=True),
        Failure(type="gone", target="one worker", after_seconds=2.0, lasts=13.0),
        Failure(type="slow", target="one worker", after_seconds=1.0, lasts=5.0),
        Failure(
            type="gpu",
            target="the GPU of one worker",
            at_once=True,
            parameters={"strain": "THROTTLE", "severity": "HIGH"},
        ),
        Failure(
            type="xid",
            target="one worker",
            at_once=True,
            parameters={"code": "79", "effect": "APPLICATION", "seconds": "5"},
        ),
        Failure(
            type="network",
            target="one worker",
            at_once=True,
            lasts=4.0,
            parameters={"partition": "WORKER_NATS", "action": "REJECT"},
        ),
    ]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"what happens": "sung to", "to whom": "x", "when": "at once"}, "'sung to' is nothing that can be done"),
        ({"what happens": "killed", "to whom": "x", "when": "soon"}, "'soon' is no time"),
        ({"what happens": "killed"}, "no column 'to whom'"),
    ],
)
def test_a_table_that_makes_no_sense_is_refused(row: dict[str, str], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        failures_of([row])
