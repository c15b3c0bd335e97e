"""What a load is: who asks, how often, for what. Two equal plans ask the same at the same times."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from support.errors import UsageError
from support.records import Endpoint
from support.spec import choose

SCHEMA = 2
"""Of the records that a load writes; `support.load.lines` describes them."""


@dataclass(frozen=True)
class Lengths:
    """How many tokens: a distribution, written as "50", "uniform 5 50", "lognormal 100 0.5" (median, sigma)."""

    text: str

    def __post_init__(self) -> None:
        try:
            self.draw(random.Random(0))
        except (ValueError, TypeError, IndexError):
            raise UsageError(
                f"{self.text!r} is no number of tokens: write '50', 'uniform 5 50' or 'lognormal 100 0.5'"
            ) from None

    def draw(self, chance: random.Random) -> int:
        """One length, at least 1."""
        name, *numbers = self.text.split()
        if name == "uniform":
            low, high = (int(number) for number in numbers)
            return chance.randint(low, high)
        if name == "lognormal":
            median, sigma = (float(number) for number in numbers)
            return max(1, round(chance.lognormvariate(math.log(median), sigma)))
        if numbers or int(name) < 1:
            raise ValueError(self.text)
        return int(name)


def Fixed(tokens: int) -> Lengths:  # noqa: N802  # reads as the kind of distribution that it is
    """Always so many."""
    return Lengths(str(tokens))


@dataclass(frozen=True, kw_only=True)
class LoadPlan:
    """One load. Closed loop: each of `clients` asks again when it has its answer. Open loop (`rate`): requests come at
    their own times, whether answers come or not, so that a stall is seen in full."""

    base_url: str
    other_base_urls: tuple[str, ...] = ()
    """Of further frontends. The clients are spread over all of them: the n-th client asks the n-th, in turn."""
    model: str
    name: str = "main"
    endpoint: Endpoint = "completions"
    stream: bool = True
    clients: int = 1
    requests_per_client: int | None = None
    """None: until it is stopped."""
    rate: float | None = None
    """Arrivals a second (Poisson, from the seed); None: closed loop."""
    requests: int | None = None
    """Open loop: how many in all; None: until it is stopped."""
    duration: float | None = None
    """Seconds after which nothing new is sent; None: until it is stopped."""
    prompt_tokens: Lengths = field(default_factory=lambda: Fixed(5))
    max_tokens: Lengths = field(default_factory=lambda: Fixed(50))
    trace: str | None = None
    """File of a trace in Mooncake's format: its arrivals and lengths are asked for instead."""
    turns_per_session: int = 1
    """Open loop: requests of one session, each sent when the one before has ended."""
    deadline: float | None = 60.0
    """Seconds from when a request was due; then it ends as "timeout"."""
    think: float = 0.0
    """Seconds between an answer and the next request of its client."""
    leaving: float = 0.0
    """Share of the requests, 0 to 1, whose clients hang up early. Each is drawn for itself, from the seed: of many
    requests about that share leaves, and the same ones in an equal plan."""
    leaving_after: Lengths = field(default_factory=lambda: Lengths("uniform 1 10"))
    """Tokens that one has received when it hangs up. An answer that is whole by then was not left."""
    seed: int = 0
    shards: int = 1
    extra: Mapping[str, Any] = field(default_factory=dict)
    continuity: bool = True
    """The counting engine answers: each answer is judged token by token."""

    def __post_init__(self) -> None:
        for url in self.base_urls:
            if not url.startswith(("http://", "https://")):
                raise UsageError(f"{url!r} is no base URL of a frontend: it must begin with http:// or https://")
        choose("endpoint", self.endpoint, get_args(Endpoint))
        for name in ("clients", "shards", "turns_per_session"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} of the load is {getattr(self, name)}: it must be 1 or more")
        for name in ("rate", "requests", "duration", "deadline", "requests_per_client"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise UsageError(f"{name} of the load is {value}: it must be above 0")
        if self.think < 0:
            raise UsageError(f"think of the load is {self.think}: it must be 0 or more")
        self._refuse_bad_leaving()
        self._refuse_contradictions()

    def _refuse_bad_leaving(self) -> None:
        if not 0 <= self.leaving <= 1:
            raise UsageError(f"leaving of the load is {self.leaving}: it is a share of its requests, from 0 to 1")
        if self.leaving and not self.stream:
            raise UsageError("clients leave after some tokens, and an answer in one piece has none: say stream=True")

    def _refuse_contradictions(self) -> None:
        opened = self.rate is not None or self.trace is not None
        if self.rate is not None and self.trace is not None:
            raise UsageError("a load has either a rate or a trace: leave one of them out")
        if opened and self.requests_per_client is not None:
            raise UsageError("requests_per_client is for clients that wait for their answers: leave rate and trace out")
        if not opened and (self.requests is not None or self.turns_per_session > 1):
            raise UsageError("requests and turns_per_session are for a load with a rate: say requests_per_client")

    @property
    def base_urls(self) -> tuple[str, ...]:
        """Of every frontend, by number. Client or session n asks `base_urls[n % len(base_urls)]`."""
        return (self.base_url, *self.other_base_urls)

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self) | {
            "prompt_tokens": self.prompt_tokens.text,
            "max_tokens": self.max_tokens.text,
            "leaving_after": self.leaving_after.text,
            "extra": dict(self.extra),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> LoadPlan:
        named = ("prompt_tokens", "max_tokens", "leaving_after")
        lengths = {name: Lengths(data[name]) for name in named if name in data}
        others = {"other_base_urls": tuple(data.get("other_base_urls", ()))}
        return cls(**(dict(data) | lengths | others))


@dataclass(frozen=True)
class Arrival:
    """One session of an open loop: when its first request is due, and what each asks for."""

    number: int
    due: float
    """Seconds after the begin of the load."""
    lengths: tuple[tuple[int, int], ...]
    """(prompt tokens, max tokens) of each turn."""
    blocks: tuple[int, ...] = ()
    """A trace's names for the blocks of the prompt: equal names are equal text."""


def arrivals(plan: LoadPlan) -> Iterator[Arrival]:
    """The schedule of an open loop, the same every time; without an end where the plan has none."""
    if plan.trace is not None:
        yield from _traced(Path(plan.trace))
        return
    for number, due in enumerate(times(plan)):
        yield Arrival(number, due, lengths(plan, number))


def times(plan: LoadPlan) -> Iterator[float]:
    """When each session of an open loop is due, seconds after its begin."""
    if plan.trace is not None:
        yield from (arrival.due for arrival in _traced(Path(plan.trace)))
        return
    assert plan.rate is not None
    chance = random.Random(f"arrivals {plan.seed}")
    number, due = 0, 0.0
    while plan.requests is None or number * plan.turns_per_session < plan.requests:
        due += chance.expovariate(plan.rate / plan.turns_per_session)
        if plan.duration is not None and due >= plan.duration:
            return
        yield due
        number += 1


def lengths(plan: LoadPlan, client: int, turn: int = 0) -> tuple[tuple[int, int], ...]:
    """What a client or session asks for, from this turn on, as many turns as a session has."""
    drawn = []
    for each in range(turn, turn + plan.turns_per_session):
        chance = random.Random(f"lengths {plan.seed} {client} {each}")
        drawn.append((plan.prompt_tokens.draw(chance), plan.max_tokens.draw(chance)))
    return tuple(drawn)


def leaves_after(plan: LoadPlan, client: int, turn: int) -> int | None:
    """After how many tokens the client hangs up in that turn; None: it stays."""
    chance = random.Random(f"leaving {plan.seed} {client} {turn}")
    return max(1, plan.leaving_after.draw(chance)) if chance.random() < plan.leaving else None


def due_until(plan: LoadPlan, seconds: float) -> int:
    """How many sessions of an open loop were due in its first so many seconds."""
    return sum(1 for _ in itertools.takewhile(lambda due: due <= seconds, times(plan)))


def _traced(path: Path) -> Iterator[Arrival]:
    """https://github.com/kvcache-ai/Mooncake: {"timestamp": ms, "input_length", "output_length", "hash_ids"} a line."""
    try:
        with path.open() as file:
            for number, line in enumerate(file):
                told = json.loads(line)
                length = (int(told["input_length"]), int(told["output_length"]))
                yield Arrival(number, told["timestamp"] / 1000, (length,), tuple(told.get("hash_ids", ())))
    except OSError as missing:
        raise UsageError(f"the trace {path} cannot be read: {missing.strerror}") from missing
    except (ValueError, KeyError, TypeError) as broken:
        raise UsageError(f"the trace {path} is not in Mooncake's format: {broken}") from broken
