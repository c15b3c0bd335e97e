"""Answers that cannot go on: the engine breaks in the middle of one, or its worker falls silent."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from support.contract import send
from support.counts import REQUESTS, Counter, engine_running
from support.deployment import WRITTEN_WITHIN, Component
from support.refusals import Answer, Question, completion
from support.requests import send_completion_request
from support.spec import Role
from support.streams import EventParser, read_event
from support.waiting import consistently, eventually
from support.world import World

BREAKING_PROMPT = "</s> 2 3 4 1000"
"""The counting engine breaks on it after 20 tokens (support/engines/counting.py)."""
TOKENS = 100
"""That such a request asks for."""
RESPONSE_TIMEOUTS = Counter(
    "response timeouts", "frontend", REQUESTS.metric, {"error_type": "response_timeout"}, REQUESTS.beside
)
"""Requests given up because their worker was silent: `ErrorType::ResponseTimeout` in Dynamo's sources."""


def breaking(model: str, *, stream: bool) -> Question:
    """A request on which the engine breaks."""
    return completion(model, prompt=BREAKING_PROMPT, max_tokens=TOKENS, stream=stream)


def send_breaking(world: World, *, stream: bool) -> Answer:
    """The answer to one, kept as evidence."""
    return send(world, "a prompt that breaks the engine", breaking(world.deployment.model, stream=stream))


def expect_told_and_ended(answer: Answer, *, tokens: int) -> None:
    """A stream of so many tokens, then an error of the documented form, then the end mark, and nothing else.

    The form: `{"error": {"message": ..., "type": ..., "code": 500}}`, then `[DONE]`.
    """
    events = EventParser().feed(answer.body.encode())
    words = [piece.text for piece in map(read_event, events) if piece.text]
    assert len(words) == tokens, f"{len(words)} tokens came, not {tokens}"
    last = [event.data for event in events[-2:]]
    assert last[1:] == ["[DONE]"], f"it did not end with the end mark, but with {last[-1:]}"
    told = _error(last[0])
    lacks = [name for name in ("message", "type", "code") if not told.get(name)]
    assert not lacks, f"before the end mark came {last[0][:200]!r}: no error with {', '.join(lacks)}"
    assert told["code"] == 500, f"the code of the error is {told['code']}, not 500"  # as documented


def _error(data: str) -> Mapping[str, Any]:
    try:
        told = json.loads(data)
    except ValueError:
        return {}
    return told.get("error") or {} if isinstance(told, dict) else {}


def expect_end_mark(world: World, name: str) -> None:
    """The stream of that client ended as a stream should, whatever it carried."""
    record = world.client(name).finished()
    assert record.done_mark, f"the stream of the {name} just ended, without an end mark"


def expect_all_serve(world: World, *, within: float) -> None:
    """What was frozen goes on; from some moment on each worker takes requests and answers them, and every place is
    free again, by Dynamo's gauges and the engine's own."""
    world.journal.heal()
    begun = time.monotonic()
    left = {worker.name for worker in world.deployment.workers}

    def all_served() -> bool:
        request = send_completion_request(world.deployment.base_url, world.deployment.model, "1 2 3 4 1000", 5)
        record = request.finished(within=within)
        assert record.status == "completed", f"a good request ended as {record.status}: {record.error}"
        left.difference_update(worker.name for worker in world.deployment.reached_workers(request.request_id))
        assert not left, f"{', '.join(left)} got none of the requests yet"
        return True

    eventually(all_served, within=within, describe="every worker serves again", interval=0.1)
    world.note("every worker served again after", f"{time.monotonic() - begun:.2f} s")


def expect_places_free(world: World, *roles: Role, within: float) -> None:
    """Nobody (of these roles) works on anything, by the gauges of frontend and workers and by what the engines say."""

    def free() -> bool:
        held = world.deployment.in_flight(*roles) | _running(world.deployment.workers)
        assert not held, f"still in use: {held}"
        return True

    eventually(free, within=within, describe="every place is free")


def expect_one_worker_tried(world: World, answer: Answer) -> None:
    """The request that broke the engine was on one worker only."""

    def once() -> dict[str, int]:
        tried = {one.name: one.logs().count("Aborted Request ID") for one in world.deployment.workers}
        assert sum(tried.values()) == 1, f"the prompt that breaks the engine was tried on {tried} ({answer})"
        return tried

    tried = eventually(once, within=WRITTEN_WITHIN, describe="one worker says that its engine broke")
    world.note("the engine broke on", tried)
    consistently(lambda: bool(once()), during=1.0, describe="no other worker is tried")


def _running(workers: list[Component]) -> dict[str, float]:
    counts = {one.name: engine_running(one.metrics()) for one in workers if one.running}
    return {f"engine of {name}": count for name, count in counts.items() if count}
