"""Counters of Dynamo, read while their components may be silent for a moment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from support.counts import REQUESTS, Counts
from support.deployment import Component
from support.errors import DeploymentError
from support.metrics import Metrics
from support.waiting import eventually

TOLD = "dynamo_frontend_disconnected_clients 0\ndynamo_frontend_requests_total {}\n"


@dataclass
class Frontend:
    """Tells how many requests it had, one answer after the other; None: it does not answer."""

    answers: list[int | None]
    role: str = "frontend"
    name: str = "frontend-0"
    running: bool = True
    asked: int = field(default=0, init=False)

    def metrics(self) -> Metrics:
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        if answer is None:
            raise ConnectionError("frontend-0 does not answer /metrics: ReadTimeout")
        return Metrics.parse(TOLD.format(answer))


def counts(*answers: int | None) -> Counts:
    return Counts([cast(Component, Frontend(list(answers)))])


def test_a_counter_has_grown_since_the_scenario_began() -> None:
    assert counts(5, 7).grown(REQUESTS) == 2


def test_one_that_does_not_tell_is_an_error() -> None:
    with pytest.raises(DeploymentError, match=r"nobody can say how many requests there were: frontend-0 does not"):
        counts(5, None).grown(REQUESTS)


def test_who_waits_asks_again() -> None:
    seen = counts(5, None, 5, None, 7)
    assert eventually(lambda: seen.grown(REQUESTS) >= 2, within=2, describe="2 requests are counted", interval=0.001)


def test_and_is_told_who_was_silent_to_the_last() -> None:
    silent: dict[str, Any] = {"within": 0.01, "describe": "2 requests are counted", "error": DeploymentError}
    seen = counts(5, None)
    with pytest.raises(DeploymentError, match=r"not within 0\.01 s; last seen: Silent: nobody can say how many"):
        eventually(lambda: seen.grown(REQUESTS) >= 2, **silent)
