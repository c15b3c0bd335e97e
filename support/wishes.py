"""What a request may ask for beyond its tokens, by the words of features: fields of its body."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from support.spec import choose

STOP = 1120
"""The number at which an answer is to stop: beyond the first 50 tokens after 1000, and before the 200th."""

WISHES: dict[str, Mapping[str, Any]] = {
    "that it stops before the word 1120": {"stop": [str(STOP)]},
    "that it stops before the token 1120": {"stop_token_ids": [STOP]},
    "that it has at least 150 tokens and stops before the word 1120": {"stop": [str(STOP)], "min_tokens": 150},
    "a bit of everything": {
        "temperature": 0.5,
        "top_p": 0.75,
        "top_k": 40,
        "min_p": 0.125,
        "seed": 7,
        "frequency_penalty": 0.5,
        "presence_penalty": 0.25,
        "repetition_penalty": 1.25,
        "stop": ["never"],
        "stop_token_ids": [31000],
        "logprobs": 2,
    },
    "two answers": {"n": 2},
    "an answer of a given form": {"guided_regex": "[0-9 ]+"},
}
"""Of completions and chats; names of fields as in Dynamo 1.4.2."""


def wish(name: str) -> Mapping[str, Any]:
    """The fields of a wish; a UsageError that lists what can be wished for otherwise."""
    return WISHES[choose("wish", name, tuple(WISHES))]
