"""Negative controls of hardware: as tests/test_negative_controls.py, at least one for each feature."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_negative_controls import Control, Suite, leaving_nothing, needs_namespaces

STRAINED = "The GPU of one worker is severely throttled for 6 seconds"
SEVERER = "The GPU of a worker is throttled slightly, moderately and severely"
LINE = "XID 79 is reported for the GPU of a worker"
DIES = "One worker dies of XID 79"
FORGOTTEN = "Whoever would end severely throttled is killed"

NO_TOKEN = "And no token is lost or repeated"
LOST = r"of \d+ tokens [1-9]\d* were lost"

FAIL = [
    Control("drops-a-chunk", STRAINED, NO_TOKEN, LOST),
    Control("always-slight", SEVERER, "Then each time its answers take longer than the time before", r"throttle LOW: "),
    Control("reports-another", LINE, "Then the GPU monitor reads XID 79", r"no XID 79 in the \d+ lines"),
    Control(
        "migrates-nothing",
        DIES,
        "And every request that ran when it happened is answered in full",
        r"requests were answered in full \(",
    ),
]
NOT_DONE = [
    Control(
        "recovers-nothing",
        STRAINED,
        "When the GPU of one worker is severely throttled for 6 seconds under this load",
        r"was to be taken back and is ACTIVE",
    ),
    Control(
        "lasts-longer",
        FORGOTTEN,
        "When the GPU of one worker is severely throttled, by a fault of 5 seconds whose injector is killed under this"
        " load",
        r"has ended by itself: not within \d+ s; last seen: ACTIVE",
    ),
]


class HardwareSuite(Suite):
    """With the services of tests/broken_hardware.py."""

    program = "tests.broken_hardware"
    tags = "@hardware and not @sglang and not @trtllm"


@pytest.fixture
def suite(tmp_path: Path) -> Iterator[Suite]:
    """Nothing of its runs is left when the test has ended: no process, no folder."""
    yield from leaving_nothing(HardwareSuite(tmp_path))


@needs_namespaces
@pytest.mark.parametrize("control", FAIL, ids=str)
def test_a_broken_promise_fails_its_scenario(suite: Suite, control: Control) -> None:
    suite.shows(control)


@needs_namespaces
@pytest.mark.parametrize("control", NOT_DONE, ids=str)
def test_what_was_not_taken_back_is_an_error(suite: Suite, control: Control) -> None:
    suite.shows(control, as_="broken")
