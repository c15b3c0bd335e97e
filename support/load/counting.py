"""Prompts of numbers, and what the counting engine answers to them: the load client's token-by-token judgement."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from support.matchers import FIRST_TOKEN, LAST_TOKEN

_CYCLE = LAST_TOKEN - FIRST_TOKEN + 1
_WORDS = [str(number) for number in range(FIRST_TOKEN, LAST_TOKEN + 1)]
BLOCK = 512
"""Tokens of one block of a trace in Mooncake's format."""


class Judgement(NamedTuple):
    """Tokens of one answer that are not what they should be."""

    lost: int
    repeated: int
    stray: int


def counted_from(number: int, count: int) -> list[str]:
    """`count` numbers from `number` on, after the last one the first again."""
    begin = (number - FIRST_TOKEN) % _CYCLE
    words = _WORDS[begin : begin + count]
    while len(words) < count:
        words += _WORDS[: count - len(words)]
    return words


def prompt_of(tokens: int, chance: random.Random, blocks: Sequence[int] = ()) -> list[str]:
    """A prompt of so many numbers; the same blocks begin with the same numbers."""
    words: list[str] = []
    for block in blocks:
        words += counted_from(FIRST_TOKEN + block * BLOCK, min(BLOCK, tokens - len(words)))
    return words + counted_from(chance.randint(FIRST_TOKEN, LAST_TOKEN), tokens - len(words))


def judge(answer: list[str], prompt: Sequence[str], tokens: int, *, whole: bool) -> Judgement:
    """Compare an answer with what the engine says after that prompt.

    tokens: as many as were asked for. whole: the answer ended as complete, so what lacks at its end is lost too.
    """
    first = int(prompt[-1]) + 1
    expected = counted_from(first, tokens if whole else min(len(answer), tokens))
    if answer == expected:
        return Judgement(0, 0, 0)
    place = {word: index for index, word in enumerate(counted_from(first, tokens))}
    seen = Counter(place[word] for word in answer if word in place)
    reach = tokens if whole else max(seen, default=-1) + 1
    known = [place[word] for word in answer if word in place]
    order = list(dict.fromkeys(known))
    late = sum(later < earlier for earlier, later in itertools.pairwise(order))
    stray = len(answer) - sum(seen.values())
    return Judgement(reach - len(seen), sum(seen.values()) - len(seen), stray + late)
