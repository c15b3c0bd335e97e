"""How a scenario ends: what is held against its deployment, and whether the next one may have it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

import pytest

from support.errors import DeploymentError
from support.faults import Fault
from support.settings import Settings
from support.spec import DeploymentSpec
from support.world import World

Look = dict[str, float] | ConnectionError
"""What is in flight, or that nobody tells."""


class FakeDeployment:
    """Without a component. At each look something else is in flight, and in the end what was last."""

    def __init__(self, spec: DeploymentSpec, looks: Iterable[Look]) -> None:
        self.spec, self.components = spec, dict[str, Any]()
        self._looks = list(looks)

    def in_flight(self, *, may_be_silent: Collection[str] = ()) -> dict[str, float]:
        look = self._looks.pop(0) if len(self._looks) > 1 else self._looks[0]
        if isinstance(look, ConnectionError):
            raise look
        return look

    def casualties(self) -> dict[str, str]:
        return {}

    def of_role(self, *roles: str) -> list[Any]:
        return []

    def told(self) -> str:
        return ""


class FakeTarget:
    """Remembers which deployments may be used again."""

    def __init__(self, *looks: Look) -> None:
        self._looks = looks or ({},)
        self.reused: list[bool] = []

    def unavailable(self, spec: DeploymentSpec) -> None:
        return None

    def deployment(self, spec: DeploymentSpec) -> FakeDeployment:
        return FakeDeployment(spec, self._looks)

    def release(self, deployment: FakeDeployment, *, reuse: bool) -> None:
        self.reused.append(reuse)


class FakeFault(Fault):
    name, victim = "struck", "vllm-worker-0"

    def inject(self) -> None:
        pass

    def verify(self) -> str:
        return "it was"


@pytest.fixture
def world(tmp_path: Path) -> Callable[..., World]:
    def made(target: Any, **wanted: object) -> World:
        world = World(settings=Settings(), target=target, folder=tmp_path)
        world.deploy(**wanted)
        return world

    return made


def test_what_is_in_flight_for_a_moment_is_no_complaint(world: Callable[..., World]) -> None:
    target = FakeTarget({"vllm-worker-0": 1}, {})
    world(target).finish(passed=True)
    assert target.reused == [True]


def test_what_comes_when_nothing_was_in_flight_any_more_is_no_complaint(world: Callable[..., World]) -> None:
    target = FakeTarget({}, {"vllm-worker-0": 50})
    world(target).finish(passed=True)
    assert target.reused == [True]


@pytest.mark.parametrize(
    ("last", "complaint"),
    [
        ({"vllm-worker-0": 2}, "vllm-worker-0 still works on 2 requests"),
        (ConnectionError("vllm-worker-0 does not answer"), "vllm-worker-0 does not answer"),
    ],
    ids=["it does not end", "it does not tell"],
)
def test_what_stays_in_flight_is_a_complaint(
    world: Callable[..., World], monkeypatch: pytest.MonkeyPatch, last: Look, complaint: str
) -> None:
    monkeypatch.setattr("support.world.SETTLED_WITHIN", 0.1)
    target = FakeTarget(last)
    with pytest.raises(DeploymentError, match=complaint):
        world(target).finish(passed=True)
    assert target.reused == [False]


def test_whatever_its_end_is_the_deployment_is_given_back(
    world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeDeployment, "casualties", lambda deployment: 1 / 0)
    target = FakeTarget()
    with pytest.raises(ZeroDivisionError):
        world(target).finish(passed=True)
    assert target.reused == [False]


@pytest.mark.parametrize(("plane", "reused"), [("tcp", True), ("nats", False)])
def test_over_nats_what_was_struck_is_not_used_again(world: Callable[..., World], plane: str, reused: bool) -> None:
    target = FakeTarget()
    struck = world(target, request_plane=plane)
    struck.journal.inject(FakeFault())
    struck.finish(passed=True)
    assert target.reused == [reused]


def test_over_nats_what_was_not_struck_is_used_again(world: Callable[..., World]) -> None:
    target = FakeTarget()
    world(target, request_plane="nats").finish(passed=True)
    assert target.reused == [True]


def test_what_a_failed_scenario_had_is_not_used_again(world: Callable[..., World]) -> None:
    target = FakeTarget()
    world(target).finish(passed=False)
    assert target.reused == [False]
