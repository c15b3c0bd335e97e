"""The one poller: every wait in this project is `eventually`, with a deadline and a last look."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from support.errors import NotWithin

T = TypeVar("T")

_scale = 1.0
_SAY_AFTER = 3.0  # seconds of silence before a wait says what it waits for
_never = threading.Event()

Narrator = Callable[[str], None]
_narrators: list[Narrator] = []


def scale_deadlines(factor: float) -> None:
    """Multiply every later deadline by `factor` (`-D timeout_scale`), for machines slower than the promises assume."""
    global _scale
    _scale = factor


def scaled(seconds: float) -> float:
    """`seconds` as this run counts them."""
    return seconds * _scale


def narrate_to(narrator: Narrator) -> Callable[[], None]:
    """Tell `narrator` what long waits wait for; returns the function that stops it."""
    _narrators.append(narrator)
    return lambda: _narrators.remove(narrator)


def consistently(
    probe: Callable[[], bool],
    *,
    during: float,
    describe: str,
    until: Callable[[], bool] = lambda: False,
    interval: float = 0.05,
    error: type[Exception] = AssertionError,
) -> None:
    """Call `probe` for `during` seconds (scaled); the error as soon as it answers something false.

    until: why it need not be looked at any longer; asked after each look.
    """
    deadline = time.monotonic() + scaled(during)
    while time.monotonic() < deadline:
        if not probe():
            raise error(f"{describe}: not any more")
        if until():
            return
        _never.wait(interval)


def eventually(
    probe: Callable[[], T],
    *,
    within: float,
    describe: str,
    interval: float = 0.02,
    error: type[Exception] = NotWithin,
    last_seen: Callable[[], str] | None = None,
) -> T:
    """Call `probe` until it answers something true, and return that.

    within: seconds, scaled by the run's timeout_scale.
    describe: what is awaited, as a clause: "the frontend lists 2 workers".
    error: raised at the deadline, with the last answer or exception of the probe (or what `last_seen` says).
    A probe may raise AssertionError, OSError or LookupError to say "not yet, because ..."; others pass through.
    """
    start = time.monotonic()
    deadline = start + scaled(within)
    said = False
    while True:
        try:
            answer = probe()
            if answer:
                return answer
            seen = repr(answer)
        except (AssertionError, OSError, LookupError) as not_yet:
            seen = f"{type(not_yet).__name__}: {not_yet}"
        now = time.monotonic()
        if now >= deadline:
            seen = last_seen() if last_seen else seen
            raise error(f"{describe}: not within {scaled(within):.4g} s; last seen: {seen}")
        if not said and now - start > _SAY_AFTER:
            said = True
            for narrator in _narrators:
                narrator(f"waiting up to {scaled(within):.4g} s: {describe}")
        _never.wait(min(interval, deadline - now))


def first_answer(ask: Callable[[], T], *, within: float, describe: str, error: type[Exception] = NotWithin) -> T:
    """What `ask` answers, be it nothing, as soon as it does: only what it raises says "not yet", as in `eventually`."""
    (answer,) = eventually(lambda: (ask(),), within=within, describe=describe, error=error)
    return answer
