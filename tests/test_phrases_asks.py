"""What a client asks for, in Gherkin's words."""

from __future__ import annotations

import re

import pytest

from support.errors import UsageError
from support.phrases import Ask, parse_ask, parse_asked, parse_wish
from support.requests import CancellableRequest
from support.wishes import wish
from tests.made_deployments import deployment_of


@pytest.mark.parametrize(
    ("words", "ask"),
    [
        ("streams 200 tokens", Ask(tokens=200, chat=False, stream=True)),
        ("awaits a chat of 5 tokens", Ask(tokens=5, chat=True, stream=False)),
        ("streams a response of 5 tokens", Ask(tokens=5, chat=False, stream=True, api="responses")),
        ("awaits a message of 5 tokens", Ask(tokens=5, chat=False, stream=False, api="messages")),
        ("awaits an inference of 16 tokens", Ask(tokens=16, chat=False, stream=False, api="kserve")),
        ("streams 9 tokens after a prompt of 3", Ask(tokens=9, chat=False, stream=True, prompt="7 7 1000")),
        ("streams a chat of 5 tokens without their count", Ask(tokens=5, chat=True, stream=True, counted=False)),
    ],
)
def test_what_is_asked_for(words: str, ask: Ask) -> None:
    assert re.fullmatch(parse_ask.pattern, words)
    assert parse_ask(words) == ask


@pytest.mark.parametrize("words", ["streams a inference of 5 tokens", "streams a poem of 5 tokens", "awaits"])
def test_other_words_ask_for_nothing(words: str) -> None:
    assert not re.fullmatch(parse_ask.pattern, words)


@pytest.mark.parametrize(
    ("words", "endpoint", "kind"),
    [
        ("a streamed chat", "chat_completions", "stream"),
        ("an awaited response", "responses", "unary"),
        ("a streamed message", "anthropic_messages", "stream"),
        ("an awaited inference", "grpc_completions", "unary"),
    ],
)
def test_under_which_labels_it_is_counted(words: str, endpoint: str, kind: str) -> None:
    assert re.fullmatch(parse_asked.pattern, words)
    assert parse_asked(words) == {"endpoint": endpoint, "request_type": kind}


def test_an_inference_has_a_client_of_its_own() -> None:
    with pytest.raises(UsageError, match="has a client of its own kind"):
        Ask(tokens=16, chat=False, stream=True, api="kserve").of(deployment_of(), CancellableRequest())


def test_a_wish_that_nobody_knows_is_refused() -> None:
    assert wish(parse_wish("for two answers")) == {"n": 2}
    with pytest.raises(UsageError, match="unknown wish 'a pony': choose one of that it stops before"):
        wish("a pony")
