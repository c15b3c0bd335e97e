"""Negative controls of answers whose worker is lost, one for each Rule."""

from __future__ import annotations

from tests.controls.suite import Area, Control

EARLY = "A client that streams a chat of 50 tokens has its answer although its worker died before the first token"
UNARY = "A killed worker costs a client that awaits a completion of 200 tokens nothing"
GIVEN_UP = "A client that leaves while its answer is being moved is worked for no longer"
BACK = "A worker that is cut off from everybody for 3 seconds goes on with its answer"
REFUSED = "An answer whose worker is refused by the frontend goes on elsewhere"
AS_LONG = "An answer that is just as long as it may be is moved"
TOO_LONG = "An answer that is one token too long is not moved"
ONLY_ONE = "An answer is not moved to a worker of another model"
FULL = "An answer that is moved to a full worker waits for its turn"
STOPS = "An answer stops where its client wished, although another worker goes on: that it stops before the word"
WORDS = "How words are chosen is the same on the worker that goes on"
TWO = "A request for two answers is not moved"
DECODE = "A killed decode worker costs a stream nothing, over TCP"
MANY = "All answers of a worker that dies are completed"

EACH = "Then each of them receives each of the 200 tokens exactly once"
ALL = "Then the client receives each of the 200 tokens exactly once"
TOLD = "Then the client is told of an error within 5 seconds"
MOVED = "And exactly 1 migration of a running request is counted"

FAIL = [
    Control("migrates-nothing", EARLY, "Then the client receives each of the 50 tokens exactly once", r"in an error"),
    Control("strikes-the-idle-worker", UNARY, MOVED, r"^migrations of running requests: 0 were counted, not 1$"),
    Control(
        "goes-on-for-nobody",
        GIVEN_UP,
        "Then within 2 seconds no worker holds anything for it",
        r"vllm-worker-\d': .*'running': 1.0",
    ),
    Control("drops-a-chunk", BACK, ALL, r": lost token 1010$"),
    Control("migrates-nothing", REFUSED, ALL, r"the last \d+ of 200 tokens are missing .* ended in an error"),
    Control(
        "moves-one-token-less",
        AS_LONG,
        "Then the client receives each of the 4 tokens exactly once",
        r"the last 2 of 4 tokens are missing .* ended in an error",
    ),
    Control("moves-any-length", TOO_LONG, TOLD, r"it completed: completed after .* and 4 tokens"),
    Control("has-another-worker", ONLY_ONE, TOLD, r"it completed: completed after .* and 200 tokens"),
    Control("forgets-a-token", FULL, ALL, r"repeated token 1\d{3}$"),
    Control("loses-wishes", STOPS, "Then the client receives 119 tokens in order, and the answer stops there", "more"),
    Control(
        "forgets-wishes",
        WORDS,
        "And the worker that goes on with the answer of the client is asked for the same",
        r"was asked for something else: sampling_options.seed: 7, then None$",
    ),
    Control("loses-wishes", TWO, TOLD, r"it completed: completed after .* and 200 tokens"),
    Control("forgets-a-token", DECODE, ALL, r"repeated token 1\d{3}$"),
    Control(
        "forgets-a-token", MANY, "Then each of them receives each of the 200 tokens exactly once", "repeated token"
    ),
    Control("counts-no-migration", MANY, "And as many migrations are counted as answers ran on it", "0 were counted"),
]
ERRORS = [
    Control(
        "cuts-others",
        REFUSED,
        "When the worker that serves the client is refused by the frontend after 50 tokens",
        r"a partition was made, but 0 packets were stopped",
    ),
]

AREA = Area("migration", program="tests.broken_migration", fail=FAIL, errors=ERRORS)
