"""Negative controls of cancellation by other ways to ask: as tests/test_negative_controls.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_negative_controls import Control, Suite, leaving_nothing, needs_namespaces

RESPONSE = "A client that streams a response of 2000 tokens and leaves frees its worker"
MESSAGE = "A client that awaits a message of 2000 tokens and leaves frees its worker"
INFERENCE = "A client that streams an inference of 16 tokens of a KServe deployment and leaves frees its worker"
ANSWERED = "Responses and messages, streamed or in one piece, are answered in full"

FREE = "Then within 2 seconds no worker holds anything for it"

FAIL = [
    Control("swallows-the-disconnect", RESPONSE, FREE, r"vllm-worker-0': .*'running': 1.0"),
    Control(
        "counts-no-cancellation",
        MESSAGE,
        "And exactly 1 cancellation of an awaited message is counted",
        r"^cancellations.*: 0 were counted, not 1$",
    ),
    Control(
        "counts-no-request",
        RESPONSE,
        "And its request is counted as cancelled and as nothing else",
        r"^requests: 0 were counted, not 1$",
    ),
    Control(
        "goes-on-for-nobody",
        INFERENCE,
        "And the answer of the client is not generated to its end",
        r"^all of the 16 tokens were generated for the client, who had left$",
    ),
    Control(
        "loses-a-token",
        ANSWERED,
        "Then the client receives each of the 50 tokens exactly once",
        r": lost token 1010$",
    ),
]


class ApisSuite(Suite):
    """With the deployments of tests/broken_apis.py."""

    program = "tests.broken_apis"


@pytest.fixture
def suite(tmp_path: Path) -> Iterator[Suite]:
    """Nothing of its runs is left when the test has ended: no process, no folder."""
    yield from leaving_nothing(ApisSuite(tmp_path))


@needs_namespaces
@pytest.mark.parametrize("control", FAIL, ids=str)
def test_a_broken_promise_fails_its_scenario(suite: Suite, control: Control) -> None:
    suite.shows(control)


@needs_namespaces
def test_the_proxies_themselves_change_nothing(suite: Suite) -> None:
    run = suite.run("nothing", RESPONSE)
    assert run.verdict == ("passed", None), run.output
    assert run.status == 0
