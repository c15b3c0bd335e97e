"""Negative controls of hardware, at least one for each feature."""

from __future__ import annotations

from tests.controls.suite import Area, Control

STRAINED = "A worker whose GPU is severely throttled for 6 seconds loses no answer"
SEVERER = "A worker whose GPU is throttled slightly, moderately and severely is later each time"
LINE = "A report of XID 79 is read, and harms no answer"
DIES = "A worker that dies of XID 79 costs running requests nothing"
FORGOTTEN = "A fault ends although its injector is killed: the GPU of one worker is severely throttled"

NO_TOKEN = "And no token is lost or repeated"
LOST = r"of \d+ tokens [1-9]\d* were lost"

FAIL = [
    Control("drops-a-chunk", STRAINED, NO_TOKEN, LOST),
    Control("always-slight", SEVERER, "Then each time its answers take longer than the time before", r"throttle LOW: "),
    Control("reports-another", LINE, "Then the GPU monitor reads XID 79", r"no XID 79 in the \d+ lines"),
    Control(
        "migrates-nothing",
        DIES,
        "And every request that was being answered when it happened is answered in full",
        r"of \d+ answers that had begun, \d+ \w+.* were not given in full",
    ),
]
ERRORS = [
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

AREA = Area(
    "hardware",
    program="tests.broken_hardware",
    fail=FAIL,
    errors=ERRORS,
    tags="@hardware and not @sglang and not @trtllm",
)
