"""What a frontend promises to those whom it cannot serve, and to those who ask which request was theirs."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from http import HTTPStatus

from hamcrest import assert_that

from support.counts import Counter
from support.deployment import WRITTEN_WITHIN, Component
from support.errors import DeploymentError, UsageError
from support.phrases import Ask
from support.promises import whole_answer
from support.recording import outcome
from support.refusals import REFUSALS, Answer, Question, Refused, ask, completion, flawed
from support.waiting import eventually
from support.world import World

OWN_FAILURES = Counter(
    "failures of Dynamo's own",
    "frontend",
    "dynamo_frontend_requests_total",
    {"error_type": "internal"},
    beside="dynamo_frontend_disconnected_clients",
)
"""Requests that ended in an error for which the frontend blames itself, not their sender."""
SEEN_WITHIN = 1.0
"""Seconds that a gauge may take to follow what it measures."""


def send(world: World, what: str, question: Question, *, request_id: str | None = None) -> Answer:
    """The answer to a question, kept as evidence under `what`."""
    answer = ask(world.deployment.base_url, question, request_id=request_id)
    world.note(what, answer)
    return answer


def send_flawed(world: World, flaw: str) -> Answer:
    """The answer to a request with that flaw."""
    return send(world, f"a request that {flaw}", flawed(flaw, world.deployment.model))


def send_good(world: World) -> Answer:
    """The answer to a short completion."""
    return send(world, "a good request", completion(world.deployment.model))


def let_in(world: World, name: str, what: Ask) -> None:
    """A new client asks, and the frontend counts its request as in flight or answers it. DeploymentError when neither.

    One after the other: of three that come within one millisecond, a worker with 1 slot and a queue of 2 turned one
    away although there was room, 4 times of 10 (Dynamo 1.4.2).
    """
    client = world.send(name, what)
    frontend = world.deployment.frontend.name
    eventually(
        lambda: client.record.chunks or world.deployment.in_flight().get(frontend, 0) >= len(world.clients),
        within=5,
        describe=f"the {name} is let in",
        error=DeploymentError,
        last_seen=lambda: outcome(client.record),
    )


def expect_refusals(world: World, rows: Iterable[Mapping[str, str]], *, within: float) -> None:
    """Each row's request is refused as the row says. AssertionError that names every one that is not."""
    judged = {row["a request that"]: Refused(row["is refused as"], within=within) for row in rows}
    if not judged:
        raise UsageError("the table names no request")
    answers = {flaw: send_flawed(world, flaw) for flaw in judged}
    wrong = [
        f"a request that {flaw}: {'; '.join(faults)} ({answers[flaw]})"
        for flaw, matcher in judged.items()
        if (faults := matcher.faults(answers[flaw]))
    ]
    assert not wrong, "\n".join(wrong)


def expect_next_served(world: World, *, within: float, name: str = "next client") -> None:
    """A newcomer's short request is answered in full. name: the newcomer's, one that the scenario has not had."""
    client = world.send(name, Ask(tokens=5, chat=False, stream=True))
    assert_that(client.finished(within=within), whole_answer(world, 5))


def expect_served_again(world: World, *, within: float) -> None:
    """From some moment on good requests are answered and not turned away; until then each is turned away as it should.

    AssertionError when none is answered in that time (seconds), and at once when one fails otherwise.
    """
    answers: list[Answer] = []

    def served() -> bool:
        answers.append(ask(world.deployment.base_url, completion(world.deployment.model)))
        return answers[-1].status not in REFUSALS["overloaded"]

    eventually(served, within=within, describe="good requests are served again", last_seen=lambda: str(answers[-1]))
    world.note("turned away before a good request was served again", len(answers) - 1)
    assert answers[-1].status == HTTPStatus.OK, f"a good request was neither served nor turned away: {answers[-1]}"


def expect_nothing_in_flight(world: World, *, within: float) -> None:
    """Neither frontend nor workers work on anything, by their own gauges."""
    eventually(
        lambda: not world.deployment.in_flight(),
        within=within,
        describe="nothing is in flight",
        last_seen=lambda: str(world.deployment.in_flight()),
    )


def set_busy_threshold(world: World, share: float) -> None:
    """Have the frontend turn requests away while every worker uses more than that share (0 to 1) of its KV blocks.

    AssertionError when the frontend does not take it, or does not say afterwards that it has.
    """
    told = json.dumps({"model": world.deployment.model, "active_decode_blocks_threshold": share}).encode()
    answer = send(world, "the limit is set", Question(path="/busy_threshold", body=told))
    assert answer.status == HTTPStatus.OK, f"the limit was not taken: {answer}"
    now = send(world, "the limits now", Question(method="GET", path="/busy_threshold", content_type=None))
    limits = {one["model"]: one["active_decode_blocks_threshold"] for one in (now.form or {}).get("thresholds", [])}
    assert limits.get(world.deployment.model) == share, f"the limit was set to {share}, the frontend says {now.body}"


def expect_seen_in_use(world: World, *, blocks: int) -> None:
    """The frontend tells of a worker that has more than so many KV blocks in use, as it promises its operator."""
    gauge = "dynamo_frontend_worker_active_decode_blocks"

    def told() -> bool:
        seen = [sample.value for sample in world.deployment.frontend.metrics().series(gauge)]
        assert max(seen, default=0) > blocks, f"by the frontend's gauges workers use {seen or 'nothing'}"
        return True

    eventually(told, within=SEEN_WITHIN, describe=f"a worker is seen to use more than {blocks} blocks")


def send_named(world: World, question: Question) -> tuple[str, Answer]:
    """A question under a name that its sender has made up, and the answer."""
    name = f"order-{uuid.uuid4().hex[:12]}"
    return name, send(world, name, question, request_id=name)


def expect_name(answer: Answer, name: str) -> None:
    """The answer bears the name that its request had."""
    borne = answer.headers.get("x-request-id")
    assert borne == name, f"the answer bears the name {borne!r}, not {name!r}"


def expect_in_logs(name: str, components: Iterable[Component], *, of: str) -> None:
    """Exactly one of these components has written that name into its log.

    of: who they are, for the message.
    """
    asked = list(components)

    def writers() -> list[str]:
        return [one.name for one in asked if name in one.logs()]

    found = eventually(writers, within=WRITTEN_WITHIN, describe=f"{name} is found in the log of {of}")
    assert len(found) == 1, f"{name} is in the logs of {', '.join(found)}, not of {of} only"
