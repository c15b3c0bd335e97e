"""Negative controls of those who end, and of answers that cannot go on."""

from __future__ import annotations

from tests.controls.suite import Area, Control

LEAVES = "A worker that is asked to end finishes its answer and ends well"
OUTLASTS = "An answer that outlasts a grace of 2 seconds is finished by another worker"
LOST = "The answers of a worker that loses its engine are finished by another one"
TWO = "Two frontends of which one is killed leave the clients of the other undisturbed"
BREAKS = "A stream on which the engine breaks ends with an error, and its neighbour goes on"

FAIL = [
    Control(
        "has-no-grace",
        LEAVES,
        "And the client receives each of the 400 tokens exactly once",
        r"of 400 tokens are missing .* ended in an error",
    ),
    Control(
        "moves-nothing",
        OUTLASTS,
        "Then the client receives each of the 400 tokens exactly once",
        r"of 400 tokens are missing .* ended in an error",
    ),
    Control(
        "strikes-both",
        TWO,
        "Then every request to the other frontend is answered in full",
        r"there are no others",
    ),
    Control(
        "breaks-on-nothing",
        BREAKS,
        "Then it receives 20 tokens, then an error that a program can read, then the end of its stream",
        r"^100 tokens came, not 20$",
    ),
]
ERRORS = [
    Control(
        "fails-no-engine",
        LOST,
        "When the worker that serves the client loses its engine after 50 tokens",
        r"says that it has failed: not within",
    ),
    Control(
        "asks-nobody",
        LEAVES,
        "When the worker that serves the client is asked to end after 50 tokens",
        r"shows that it is to end: not within",
    ),
]

AREA = Area("endings", program="tests.broken_endings", fail=FAIL, errors=ERRORS)
