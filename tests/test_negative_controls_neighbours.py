"""Negative controls of those who do not behave, and of workers that fall silent: as tests/test_negative_controls.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_negative_controls import Control, Suite, leaving_nothing, needs_namespaces

NOISY = "A neighbour that eats the CPU makes answers late at most, and loses none"
READERS = "A crowd of clients that do not read costs others nothing"
FLAWED = "A worker that is started with no model folder ends and says why"
SILENT = "A stream whose worker falls silent ends with an error where no migrations are allowed"

FAIL = [
    Control(
        "starves-a-worker",
        NOISY,
        "And half of all answers are complete within 2 seconds, and none takes longer than 10",
        r"max_latency_ms was [12]\d{4} ms",
    ),
    Control(
        "has-few-places",
        READERS,
        "And 99 of 100 answers are complete within 3 seconds",
        r"p99_latency_ms was \d{5} ms",
    ),
    Control(
        "joins-in-spite-of-it",
        FLAWED,
        'And it ends within 20 seconds, and whoever started it is told of "not found"',
        r"vllm-worker-2 ends with a failure status: not within 20 s; .*vllm-worker-2 is running",
    ),
    Control(
        "waits-for-ever",
        SILENT,
        "Then the client is told of an error after 4 to 7 seconds, and that its answer is over",
        r"not within",
    ),
]


class NeighboursSuite(Suite):
    """With the deployments of tests/broken_neighbours.py."""

    program = "tests.broken_neighbours"


@pytest.fixture
def suite(tmp_path: Path) -> Iterator[Suite]:
    """Nothing of its runs is left when the test has ended: no process, no folder."""
    yield from leaving_nothing(NeighboursSuite(tmp_path))


@needs_namespaces
@pytest.mark.parametrize("control", FAIL, ids=str)
def test_a_broken_promise_fails_its_scenario(suite: Suite, control: Control) -> None:
    suite.shows(control)


@needs_namespaces
def test_a_neighbour_that_eats_nothing_is_an_error(suite: Suite) -> None:
    run = suite.run("eats-nothing", NOISY)
    step = "When for 15 seconds a neighbour on the same machine eats the CPU under this load"
    assert run.verdict == ("broken", step), run.output
    assert "busy neighbours are felt: not within" in run.message
    assert run.status == 1
