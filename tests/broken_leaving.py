"""As `tests.broken`, with deployments that break what is promised of clients that leave:

python -m tests.broken_leaving goes-on-for-nobody -t @vllm -n "A client that streams an" -D log_dir=/tmp/broken
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from unittest.mock import patch

import httpx

from support.local.far_client import NamespacedClient
from tests.broken import BREAKS, behind, engine, main
from tests.proxies import PassesOn
from tests.serving import Exchange


class LosesAToken(PassesOn):
    """The tenth token of a stream arrives as an empty word, in whatever field its API has for it."""

    async def _pass_events(self, response: httpx.Response, exchange: Exchange) -> None:
        async for events in response.aiter_raw():
            await exchange.say(re.sub(rb': ?" 1010"', b':""', events))


@contextmanager
def cuts_no_client() -> Iterator[None]:
    """The fault does not happen, and does not say so itself."""
    with patch.object(NamespacedClient, "cut", lambda client: None):
        yield


BREAKS |= {
    "cuts-no-client": cuts_no_client,
    "loses-a-token": partial(behind, LosesAToken),
    "goes-on-for-nobody": partial(engine, "goes-on-for-nobody"),
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
