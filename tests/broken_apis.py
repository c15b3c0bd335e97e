"""As `tests.broken`, with deployments that break what is promised of responses, messages and inferences:

python -m tests.broken_apis goes-on-for-nobody -t @vllm -n "A client that streams an inference" -D log_dir=/tmp/broken
"""

from __future__ import annotations

import re
import sys
from functools import partial

import httpx

from tests.broken import BREAKS, behind, engine, main
from tests.proxies import PassesOn
from tests.serving import Exchange


class LosesAToken(PassesOn):
    """The tenth token of a stream arrives as an empty word, in whatever field its API has for it."""

    async def _pass_events(self, response: httpx.Response, exchange: Exchange) -> None:
        async for events in response.aiter_raw():
            await exchange.say(re.sub(rb': ?" 1010"', b':""', events))


BREAKS |= {
    "loses-a-token": partial(behind, LosesAToken),
    "goes-on-for-nobody": partial(engine, "goes-on-for-nobody"),
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
