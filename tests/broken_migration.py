"""As `tests.broken`, with deployments that break what is promised of answers whose worker is lost:

python -m tests.broken_migration forgets-wishes -t @vllm -n "How words are chosen" -D log_dir=/tmp/broken
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from unittest.mock import patch

from injector.agents.partition import Cut
from support.wishes import WISHES
from tests.broken import BREAKS, engine, main, started_with


@contextmanager
def cuts_others() -> Iterator[None]:
    """The rules are there, and stop packets of addresses that nobody has."""
    inject = Cut.inject

    def elsewhere(cut: Cut) -> None:
        inject(replace(cut, peers=("192.0.2.1",)))

    with patch.object(Cut, "inject", elsewhere):
        yield


@contextmanager
def loses_wishes() -> Iterator[None]:
    """Clients wish for nothing, whatever the scenario says."""
    with patch.dict(WISHES, {name: {} for name in WISHES}):
        yield


BREAKS |= {
    "cuts-others": cuts_others,
    "loses-wishes": loses_wishes,
    "forgets-wishes": partial(engine, "forgets-wishes"),
    "goes-on-for-nobody": partial(engine, "goes-on-for-nobody"),
    "moves-any-length": partial(started_with, migration_max_seq_len=None),
    "moves-one-token-less": partial(started_with, migration_max_seq_len=6),
    "has-another-worker": partial(started_with, workers=2, other_model_workers=0),
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
