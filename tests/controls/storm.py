"""Negative controls of a storm of clients that leave."""

from __future__ import annotations

from tests.controls.suite import Area, Control

STORM = "Those who stay in a storm have their answers and the others are let go"
FULL = "Those who stay in a storm have their answers also where newcomers wait for the places of others"

SERVED = "Then those who stay receive each token exactly once"
ABORTED = "And nobody is worked for longer than 1 second after leaving"
COUNTED = "And each of those who left is counted exactly once"
FREE = "And within 2 seconds no worker holds anything for them"
LEAVE = "When 80 clients ask for 200 tokens each, 30 a second, and about half of them leave at random moments"
WAIT = "And some of them had to wait for their turn"

FAIL = [
    Control("stops-late", STORM, ABORTED, r"^p50 2\d{3}\.\d ms, p99 \d{4}\.\d ms, longest \d{4}\.\d ms of 40$"),
    Control("goes-on-for-nobody", STORM, ABORTED, r"not within 1 s; last seen: AssertionError: 40 of 40 were not: "),
    Control("counts-no-cancellation", STORM, COUNTED, r"^cancellations: 0 were counted, not 40$"),
    Control("loses-a-token", STORM, SERVED, r"NoTokenLostChecker: BROKEN: of \d+ tokens [1-9] were lost, 0 repeated"),
    Control("leaks-slots", STORM, FREE, r"no worker holds anything for anybody: not within 2 s; .*'running': \d+"),
]
ERRORS = [
    Control("nobody-leaves", STORM, LEAVE, r"^0 clients left, 40 that were to leave were still there when"),
    Control("has-room", FULL, WAIT, r"nobody was seen to wait for a place"),
]

AREA = Area("storm", program="tests.broken_storm", fail=FAIL, errors=ERRORS, alone=True)
