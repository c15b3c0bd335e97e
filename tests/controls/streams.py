"""Negative controls of streams and counters, on proxies that change what clients, workers or Dynamo's counters say."""

from __future__ import annotations

from tests.controls.suite import Area, Control

MOVED = "A killed worker costs a stream nothing over TCP"
NOT_MOVED = "A killed worker ends its stream with a clear error"
LEFT = "A client that streams a chat of 2000 tokens over TCP and leaves disturbs nobody"

JOINED = "A worker that joins under load disturbs nobody"

EVERY_TOKEN = "Then the client receives each of the 200 tokens exactly once"
ANSWERED = "Then every request is answered in full"
STOPS = "Then its worker stops generating within 2 seconds"
TOLD = "Then the client is told of an error within 5 seconds"
KILL = "When the worker that serves the client is killed after 50 tokens"

FAIL = [
    Control("drops-a-chunk", MOVED, EVERY_TOKEN, r": lost token 1010$"),
    Control("doubles-a-chunk", MOVED, EVERY_TOKEN, r": repeated token 1010$"),
    Control("forgets-a-token", MOVED, EVERY_TOKEN, r"the last 1 of 200 tokens .*; repeated token 1\d{3}$"),
    Control("migrates-nothing", MOVED, EVERY_TOKEN, r"the last \d+ of 200 tokens are missing .* ended in an error"),
    Control(
        "delays-a-chunk",
        MOVED,
        "And none of its tokens comes more than 5 seconds after the one before",
        r"gap was \d+\.\d+ s, between tokens 99 and",
    ),
    Control(
        "strikes-the-idle-worker",
        MOVED,
        "And exactly 1 migration of a running request is counted",
        r"^migrations of running requests: 0 were counted, not 1$",
    ),
    Control("migrates-all", NOT_MOVED, TOLD, r"it completed: completed after .* and 200 tokens"),
    Control("falls-silent", NOT_MOVED, TOLD, r"ends: not within .* running for .* \d+ tokens"),
    Control("says-nothing", JOINED, ANSWERED, r"0 of \d+ requests were answered in full \(\d+ truncated\)"),
    Control(
        "counts-no-request",
        JOINED,
        "And what Dynamo counts is what the clients saw",
        r"answered in full: 0 counted, \d+ seen",
    ),
    Control("swallows-the-disconnect", LEFT, STOPS, r"vllm-worker-0 has not ended the request$"),
    Control("leaks-slots", LEFT, "And the newcomer is served within 2 seconds", r"receives 1 tokens: not within 2 s"),
    Control(
        "counts-no-cancellation",
        LEFT,
        "And exactly 1 cancellation of a streamed chat is counted",
        r"^cancellations.*: 0 were counted, not 1$",
    ),
]
ERRORS = [
    Control("strikes-nobody", MOVED, KILL, r"^vllm-worker-\d was killed and still runs as process \d+$"),
    Control(
        "starts-half-of-the-load", JOINED, ANSWERED, r"the load was not what it should be: \d+ requests, 4 never sent"
    ),
]

AREA = Area("streams", program="tests.broken", fail=FAIL, errors=ERRORS, unchanged=[MOVED, LEFT, JOINED])
