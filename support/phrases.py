"""How Gherkin's words become values: the parameter types of step texts."""

from __future__ import annotations

import re
from dataclasses import dataclass

import parse

from support.deployment import Deployment
from support.requests import CancellableRequest, send_chat_completion_request, send_completion_request
from support.spec import BACKENDS, PLANES, Backend, Plane

PROMPT = "1 2 3 4 1000"
"""Five tokens; the counting engine goes on with 1001."""


@dataclass(frozen=True)
class Ask:
    """What a client asks for."""

    tokens: int
    chat: bool
    stream: bool

    def of(self, deployment: Deployment) -> CancellableRequest:
        """Send it."""
        send = send_chat_completion_request if self.chat else send_completion_request
        return send(deployment.base_url, deployment.model, PROMPT, self.tokens, stream=self.stream)


@parse.with_pattern(r"(?:streams|awaits) (?:a chat of |a completion of )?\d+ tokens")
def parse_ask(text: str) -> Ask:
    """ "streams a chat of 200 tokens", "awaits a completion of 200 tokens": streamed or in one piece."""
    tokens = re.search(r"\d+", text)
    assert tokens, "the pattern has a number"
    return Ask(tokens=int(tokens[0]), chat="chat" in text, stream=text.startswith("streams"))


@parse.with_pattern(r"(?:a|the) (?:client|neighbour|newcomer)")
def parse_client(text: str) -> str:
    """ "a client", "the client" -> "client"."""
    return text.split()[1]


@parse.with_pattern("|".join(BACKENDS))
def parse_backend(text: str) -> Backend:
    return text  # type: ignore[return-value]  # the pattern lets nothing else through


@parse.with_pattern("|".join(plane.upper() for plane in PLANES))
def parse_plane(text: str) -> Plane:
    """ "TCP", "NATS"."""
    return text.lower()  # type: ignore[return-value]  # the pattern lets nothing else through


@parse.with_pattern(r"no|\d+")
def parse_count(text: str) -> int:
    """ "no migration", "3 migrations"."""
    return 0 if text == "no" else int(text)


TYPES = {"Ask": parse_ask, "Client": parse_client, "Backend": parse_backend, "Plane": parse_plane, "Count": parse_count}
"""Name in step texts to converter; every step module registers them."""
