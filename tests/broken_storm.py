"""As `tests.broken`, with deployments that break what is promised in a storm of clients that leave:

python -m tests.broken_storm goes-on-for-nobody -t @vllm -n "Those who stay in a storm" -D log_dir=/tmp/broken
"""

from __future__ import annotations

import sys
from functools import partial

from tests.broken import BREAKS, engine, load_client, main, started_with

BREAKS |= {
    "stops-late": partial(started_with, seconds_to_stop=2.0),
    "loses-a-token": partial(engine, "loses-a-token"),
    "goes-on-for-nobody": partial(engine, "goes-on-for-nobody"),
    "has-room": partial(started_with, slots=64),
    "nobody-leaves": partial(load_client, "tests.broken_storm_client"),
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
