"""Negative controls of what is promised of single workers under load."""

from __future__ import annotations

from tests.controls.suite import Area, Control

CHURN = "A worker that dies five times in a row leaves no ghost"
SLOW = "A slow worker keeps its own clients waiting and no others"
SPARED = "A slow worker is spared where requests are spread by memory"
URGENT = "Urgent requests do not wait in the crowd"
PINNED = "Who wants a busy worker waits for it while others are served"
CROWD = "Ten times as many clients as places all get their answers"
ON_TOP = "Four times as many clients as places all get their answers"
TOO_LONG = "Too long prompts are refused while others are answered"
BEGUN = "Answers that are being written do not need those who read prompts"

FAIL = [
    Control(
        "loses-the-patience",
        ON_TOP,
        "And whoever comes on top has a whole answer as well",
        r"SuccessRateChecker: BROKEN: \d+ of \d+ requests were answered in full \(\d+ timeout\)",
    ),
    Control(
        "sends-short-prompts",
        TOO_LONG,
        "Then every prompt that is too long is refused",
        r"of \d+ requests [1-9]\d* were answered in full, 0 were refused with 400",
    ),
    Control(
        "lists-the-dead",
        CHURN,
        "And the list of those who serve is right within 12 seconds of each change",
        r"at last 10\.\d+\.\d+\.\d+(, 10\.\d+\.\d+\.\d+){4} was listed and not there",
    ),
    Control(
        "spreads-in-turn",
        SPARED,
        "Then the slow worker gives at most 25 of 100 answers",
        r"answered \d+ of \d+ requests that came then \(3\d percent\)",
    ),
    Control(
        "knows-no-urgency",
        URGENT,
        "Then 99 of 100 urgent answers are complete within 1 second, while the others take twice as long",
        r"urgent answers, p99 \d{4} ms",
    ),
    Control(
        "loses-every-kind",
        BEGUN,
        "Then every answer that has begun is given in full",
        r"of \d+ answers that had begun, [1-9].* were not given in full",
    ),
    Control(
        "has-room",
        PINNED,
        "And the client was served after the neighbour had its whole answer",
        r"^the client was served \d\.\d\d s before the neighbour had its answer$",
    ),
    Control(
        "keeps-memory",
        CROWD,
        "And no part of the deployment needs more than 50 MB more memory meanwhile",
        r"vllm-worker-0 needed 2\d\d MB more",
    ),
]
ERRORS = [
    Control(
        "slows-nobody",
        SLOW,
        "When one worker is ten times slower for 5 seconds under this load",
        r"takes 5 times as long as usual from token to token: not within",
    ),
]

AREA = Area("workers", program="tests.broken_workers", fail=FAIL, errors=ERRORS)
