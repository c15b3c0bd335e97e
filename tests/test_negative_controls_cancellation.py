"""Negative controls of clients that leave: as tests/test_negative_controls.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_negative_controls import Control, Suite, leaving_nothing, needs_namespaces

RESPONSE = "A client that streams a response of 2000 tokens and leaves frees its worker"
MESSAGE = "A client that awaits a message of 2000 tokens and leaves frees its worker"
INFERENCE = "A client that streams an inference of 16 tokens of a KServe deployment and leaves frees its worker"
ANSWERED = "Responses and messages, streamed or in one piece, are answered in full"

EARLY = "A client that streams a chat of 200 tokens and leaves before the first token frees its place"
QUEUE = "A newcomer that leaves the queue of a full worker makes room for the next one"
LAST = "Whoever leaves at the last token is counted as answered or as cancelled"
SHARED = "A client that streams 2000 tokens and leaves during decode frees both workers, over TCP"
RESET = "A client that streams 2000 tokens and breaks the connection off is not generated for"
BACK = "A client that comes back within 2 seconds loses nothing"
UNREAD = "A client that stops reading holds its place no longer than its answer takes"

FREE = "Then within 2 seconds no worker holds anything for it"

FAIL = [
    Control("goes-on-for-nobody", EARLY, FREE, r"vllm-worker-0': .*'running': 1.0"),
    Control("goes-on-for-nobody", QUEUE, "And not one token is generated for the newcomer", r"^generated tokens: 110 "),
    Control("counts-no-request", LAST, "Then each of them is counted exactly once, as answered or as cancelled", r"0 "),
    Control("goes-on-for-nobody", SHARED, FREE, r"vllm-decode-0': .*'running': 1.0"),
    Control("swallows-the-disconnect", RESET, FREE, r"vllm-worker-0': .*'running': 1.0"),
    Control("leaks-slots", UNREAD, "And within 2 seconds no worker holds anything for it", r"'running': 2.0"),
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


class LeavingSuite(Suite):
    """With the deployments of tests/broken_leaving.py."""

    program = "tests.broken_leaving"


@pytest.fixture
def suite(tmp_path: Path) -> Iterator[Suite]:
    """Nothing of its runs is left when the test has ended: no process, no folder."""
    yield from leaving_nothing(LeavingSuite(tmp_path))


@needs_namespaces
@pytest.mark.parametrize("control", FAIL, ids=str)
def test_a_broken_promise_fails_its_scenario(suite: Suite, control: Control) -> None:
    suite.shows(control)


@needs_namespaces
def test_a_link_that_is_not_cut_is_an_error(suite: Suite) -> None:
    run = suite.run("cuts-no-client", BACK)
    step = "When the link of the client is cut for 2 seconds while its answer is being generated"
    assert run.verdict == ("broken", step), run.output
    assert run.message == "the link of the client was cut and is still up"
    assert run.status == 1


@needs_namespaces
def test_the_proxies_themselves_change_nothing(suite: Suite) -> None:
    run = suite.run("nothing", RESPONSE)
    assert run.verdict == ("passed", None), run.output
    assert run.status == 0
