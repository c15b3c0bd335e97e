"""As `tests.broken`, with deployments that break what is promised in a storm of clients that leave:

python -m tests.broken_storm goes-on-for-nobody -t @vllm -n "Those who stay in a storm" -D log_dir=/tmp/broken
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from unittest.mock import patch

from tests.broken import BREAKS, engine, load_client, main, started_with


@contextmanager
def writes_of_no_abort() -> Iterator[None]:
    """What workers say of requests that they gave up is not found in their logs."""
    with patch("support.local.deployment.LocalDeployment.aborted", lambda deployment: {}):
        yield


BREAKS |= {
    "goes-on-for-nobody": partial(started_with, seconds_to_stop=2.0),
    "loses-a-token": partial(engine, "loses-a-token"),
    "writes-of-no-abort": writes_of_no_abort,
    "has-room": partial(started_with, slots=64),
    "nobody-leaves": partial(load_client, "tests.broken_storm_client"),
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
