"""Negative controls of those who end, and of answers that cannot go on: as tests/test_negative_controls.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_negative_controls import Control, Suite, leaving_nothing, needs_namespaces

LEAVES = "A worker that is asked to end finishes its answer and ends well"
OUTLASTS = "An answer that outlasts a grace of 2 seconds is finished by another worker"
LOST = "The answers of a worker that loses its engine are finished by another one"
TWO = "Two frontends of which one is killed leave the clients of the other undisturbed"
BREAKS = "A stream on which the engine breaks ends with an error, and its neighbour goes on"

FAIL = [
    Control(
        "has-no-grace",
        LEAVES,
        "And the client receives each of the 400 tokens exactly once",
        r"of 400 tokens are missing .* ended in an error",
    ),
    Control(
        "moves-nothing",
        OUTLASTS,
        "Then the client receives each of the 400 tokens exactly once",
        r"of 400 tokens are missing .* ended in an error",
    ),
    Control(
        "strikes-both",
        TWO,
        "Then every request to the other frontend is answered in full",
        r"there are no others",
    ),
    Control(
        "breaks-on-nothing",
        BREAKS,
        "Then it receives 20 tokens, then an error that a program can read, then the end of its stream",
        r"^100 tokens came, not 20$",
    ),
]


class EndingsSuite(Suite):
    """With the deployments of tests/broken_endings.py."""

    program = "tests.broken_endings"


@pytest.fixture
def suite(tmp_path: Path) -> Iterator[Suite]:
    """Nothing of its runs is left when the test has ended: no process, no folder."""
    yield from leaving_nothing(EndingsSuite(tmp_path))


@needs_namespaces
@pytest.mark.parametrize("control", FAIL, ids=str)
def test_a_broken_promise_fails_its_scenario(suite: Suite, control: Control) -> None:
    suite.shows(control)


@needs_namespaces
def test_an_engine_that_does_not_fail_is_an_error(suite: Suite) -> None:
    run = suite.run("fails-no-engine", LOST)
    assert run.verdict == ("broken", "When the worker that serves the client loses its engine after 50 tokens"), (
        run.output
    )
    assert "says that it has failed: not within" in run.message
    assert run.status == 1


@needs_namespaces
def test_a_worker_that_was_not_asked_to_end_is_an_error(suite: Suite) -> None:
    run = suite.run("asks-nobody", LEAVES)
    step = "When the worker that serves the client is asked to end after 50 tokens"
    assert run.verdict == ("broken", step), run.output
    assert "shows that it is to end: not within" in run.message
    assert run.status == 1
