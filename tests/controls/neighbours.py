"""Negative controls of those who do not behave, and of workers that fall silent."""

from __future__ import annotations

from tests.controls.suite import Area, Control

NOISY = "A neighbour that eats the CPU makes answers late at most, and loses none"
READERS = "A crowd of clients that do not read costs others no answer"
FLAWED = "A worker that is started with no model folder ends and says why"
SILENT = "A stream whose worker falls silent ends with an error where no migrations are allowed"

FAIL = [
    Control(
        "starves-a-worker",
        NOISY,
        "And half of all answers are complete within 2 seconds, and none takes longer than 10",
        r"max_latency_ms was [12]\d{4} ms",
    ),
    Control(
        "has-few-places",
        READERS,
        "And 99 of 100 answers are complete within 3 seconds",
        r"p99_latency_ms was \d{5} ms",
    ),
    Control(
        "joins-in-spite-of-it",
        FLAWED,
        'And it ends within 20 seconds, and whoever started it is told of "not found"',
        r"vllm-worker-2 ends with a failure status: not within 20 s; .*vllm-worker-2 is running",
    ),
    Control(
        "waits-for-ever",
        SILENT,
        "Then the client is told of an error after 4 to 7 seconds, and that its answer is over",
        r"not within",
    ),
]
ERRORS = [
    Control(
        "eats-nothing",
        NOISY,
        "When for 15 seconds a neighbour on the same machine eats the CPU under this load",
        r"busy neighbours are felt: not within",
    ),
]

AREA = Area("neighbours", program="tests.broken_neighbours", fail=FAIL, errors=ERRORS, alone=True)
