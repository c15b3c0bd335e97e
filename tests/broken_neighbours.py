"""As `tests.broken`, with deployments that break what is promised to those who behave, and what is promised at night:

python -m tests.broken_neighbours starves-a-worker -t @vllm -n "A neighbour that eats the CPU" -D log_dir=/tmp/broken
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from unittest.mock import patch

from support.deployment import Component
from support.faults import Fault, Stage
from support.faults.noisy_neighbour import NoisyNeighbour
from support.faults.pause import Pause
from support.model import ModelFolder, write_flawed_model, write_model
from tests.broken import BREAKS, main, started_with


@contextmanager
def starves_a_worker() -> Iterator[None]:
    """The busy neighbour takes all of the CPU from one worker, which gets none until the neighbour has gone."""
    of = NoisyNeighbour.of

    def and_starves(stage: Stage, victims: Sequence[Component], parameters: Mapping[str, str]) -> list[Fault]:
        return [*of(stage, victims, parameters), Pause(stage.deployment.workers[0])]

    with patch.object(NoisyNeighbour, "of", and_starves):
        yield


@contextmanager
def eats_nothing() -> Iterator[None]:
    """The fault does not happen, and does not say so itself."""
    with patch("support.faults.noisy_neighbour._BUSY", "import time; time.sleep(60)"):
        yield


@contextmanager
def finds_another_model(flaw: str | None) -> Iterator[None]:
    """A worker whose model is to have one flaw finds it with another one, or sound (None)."""

    def other(cache: Path, asked: str) -> ModelFolder:
        return write_model(cache) if flaw is None else write_flawed_model(cache, flaw)

    with patch("support.local.deployment.write_flawed_model", other):
        yield


BREAKS |= {
    "starves-a-worker": starves_a_worker,
    "eats-nothing": eats_nothing,
    "joins-in-spite-of-it": partial(finds_another_model, None),
    "must-write-to-serve": partial(finds_another_model, "a corrupt configuration"),
    "has-few-places": partial(started_with, slots=4),
    "waits-for-ever": partial(started_with, environment=()),
    "stays-down": partial(started_with, restart="never"),
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
