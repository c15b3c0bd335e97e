"""Negative controls of what a frontend says to those whom it cannot serve."""

from __future__ import annotations

from tests.controls.suite import Area, Control

UNKNOWN = "A request that names a model that nobody serves is refused"
FULL = "A full deployment turns a newcomer away"
ROOM = "One full worker of two turns nobody away"
CAPPED = "One more than a worker may take"
COUNTED = "A client that streams a completion of 50 tokens is told how many"
UNCOUNTED = "A client that streams a completion of 50 tokens without their count"
MOVED = "A client that did not ask for a count is told none, also when its answer is moved"
NAMED = "A named request is found in the answer"
TAKEN = "Wrong requests are refused while every place is taken"

REFUSED = "Then it is refused as unknown within 1 second"
TURNED_AWAY = "Then a good request is refused as overloaded within 1 second"
EACH = "Then these are refused within 1 second"

FAIL = [
    Control("answers-everybody", UNKNOWN, REFUSED, r"its status is 200, not 404"),
    Control(
        "answers-everybody", TAKEN, EACH, r"^a request that names a model .*its status is 200(.|\n)*\n.*is broken off"
    ),
    Control("refuses-late", UNKNOWN, REFUSED, r"it took 1\.[5-9]\d s"),
    Control("refuses-without-a-word", UNKNOWN, 'And its sender is told of "Model"', r"was told '\(no text\)'"),
    Control(
        "refuses-with-another-code", UNKNOWN, "And a program can tell what was wrong", "its code is 500, its status 404"
    ),
    Control(
        "breaks-at-a-refusal", UNKNOWN, "And the next good request is served within 2 seconds", r"http_status: 500"
    ),
    Control("is-never-idle", UNKNOWN, "And within 2 seconds nothing is in flight", r"last seen: \{'frontend-0': 1"),
    Control("turns-nobody-away", FULL, TURNED_AWAY, r"its status is 200, not 529 or 503"),
    Control("turns-nobody-away", CAPPED, TURNED_AWAY, r"its status is 200, not 529 or 503"),
    Control("counts-no-rejection", FULL, "And exactly 1 rejection is counted", r"^rejections: 0 were counted, not 1$"),
    Control("has-one-worker", ROOM, "Then the next 5 good requests are served within 2 seconds each", r"overloaded"),
    Control("counts-a-token-more", COUNTED, "Then the client is told that it received 50 tokens", r"was told 51$"),
    Control(
        "tells-everybody", UNCOUNTED, "Then the client is told no count", r"did not ask for a count and was told Usage"
    ),
    Control(
        "tells-everybody", MOVED, "Then the client is told no count", r"did not ask for a count and was told Usage"
    ),
    Control("forgets-names-in-answers", NAMED, "Then the answer bears that name", r"bears the name None, not 'order-"),
    Control("forgets-names-at-the-frontend", NAMED, "And the log of the frontend has it", r"last seen: \[\]"),
    Control("forgets-names-at-workers", NAMED, "And the log of one worker has it", r"last seen: \[\]"),
]

AREA = Area("http", program="tests.broken_http", fail=FAIL, unchanged=[UNKNOWN, FULL, TAKEN])
