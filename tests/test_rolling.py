"""A rolling restart: one after the other, at the pace that is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from support.deeds import parse_deed
from support.deployment import Component, Deployment
from support.errors import FaultError, UsageError
from support.faults import Stage, kind
from support.faults.rolling import RollingRestart
from support.load.plan import LoadPlan


class Restarted:
    """A component that ends and starts when it is told."""

    def __init__(self, name: str) -> None:
        self.name, self.pid, self.running = name, 1, True

    def terminate(self) -> None:
        self.running = False

    def restart(self, *, dynamo: str | None = None) -> None:
        self.running, self.pid = True, self.pid + 1


class AlwaysReady:
    def ready(self) -> None:
        pass


def rolling(*components: Restarted, **parameters: str) -> RollingRestart:
    deployment, victims = cast(Deployment, AlwaysReady()), cast("list[Component]", list(components))
    stage = Stage(deployment, cast(LoadPlan, None), cast(Any, None))
    (fault,) = kind("rolling_restart").of(stage, victims, parameters)
    assert isinstance(fault, RollingRestart)
    return fault


def test_each_has_served_before_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = [Restarted(f"etcd-{n}") for n in range(3)]
    waits: list[tuple[float, list[int]]] = []

    def wait(probe: Callable[[], bool], *, during: float, describe: str, error: type[Exception]) -> None:
        assert probe(), describe
        waits.append((during, [one.pid for one in parts]))

    monkeypatch.setattr("support.faults.rolling.consistently", wait)
    fault = rolling(*parts, min_ready_seconds="7")
    fault.inject()
    assert waits == [(7, [2, 1, 1]), (7, [2, 2, 1])], "nobody waits before the first one, or after the last one"
    assert fault.verify() == "etcd-0, etcd-1, etcd-2: new processes"


def test_one_that_does_not_stay_is_an_error() -> None:
    class Falls(Restarted):
        def restart(self, *, dynamo: str | None = None) -> None:
            """Not for long."""

    with pytest.raises(FaultError, match="etcd-0, etcd-1 are up: not any more"):
        rolling(Falls("etcd-0"), Restarted("etcd-1"), min_ready_seconds="5").inject()


def test_a_pace_that_is_none() -> None:
    with pytest.raises(UsageError, match="min_ready_seconds of the failure 'rolling_restart' is 'slow'"):
        rolling(Restarted("etcd-0"), min_ready_seconds="slow")


@pytest.mark.parametrize(
    ("words", "parameters"),
    [
        ("are restarted one by one", {}),
        ("are restarted one by one with 10 seconds in between", {"min_ready_seconds": "10"}),
    ],
)
def test_the_pace_in_words(words: str, parameters: dict[str, str]) -> None:
    deed = parse_deed(words)
    assert (deed.kind, deed.parameters) == ("rolling_restart", parameters)
