"""Negative controls of clients that leave."""

from __future__ import annotations

from tests.controls.suite import Area, Control

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
ERRORS = [
    Control(
        "cuts-no-client",
        BACK,
        "When the link of the client is cut for 2 seconds while its answer is being generated",
        r"^the link of the client was cut and is still up$",
    ),
]

AREA = Area("leaving", program="tests.broken_leaving", fail=FAIL, errors=ERRORS, unchanged=[RESPONSE])
