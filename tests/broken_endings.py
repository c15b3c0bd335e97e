"""As `tests.broken`, with deployments that break what is promised of those who end, and of answers that cannot go on:

python -m tests.broken_endings asks-nobody -t @vllm -n "A worker that is asked to end" -D log_dir=/tmp/broken
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from unittest.mock import patch

from support.deployment import Component, Deployment
from support.local.component import LocalComponent
from tests.broken import BREAKS, engine, main, started_with


@contextmanager
def asks_nobody() -> Iterator[None]:
    """The worker is not asked to end, and the fault does not say so itself."""
    with patch.object(LocalComponent, "terminate", lambda component: None):
        yield


@contextmanager
def fails_no_engine() -> Iterator[None]:
    """The fault does not happen, and does not say so itself."""
    with patch.object(LocalComponent, "fail_engine", lambda component: None):
        yield


@contextmanager
def strikes_every_frontend() -> Iterator[None]:
    """Whoever is to be struck, all frontends are."""

    def frontends(deployment: Deployment, target: str) -> list[Component]:
        return deployment.of_role("frontend")

    with patch("support.under_load.victims", frontends):
        yield


BREAKS |= {
    "asks-nobody": asks_nobody,
    "has-no-grace": partial(started_with, grace_period=0),
    "moves-nothing": partial(started_with, migration_limit=0),
    "strikes-both": strikes_every_frontend,
    "fails-no-engine": fails_no_engine,
    "breaks-on-nothing": partial(engine, "breaks-on-nothing"),
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
