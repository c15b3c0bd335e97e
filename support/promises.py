"""Promises that are judged over time, or by several witnesses; each raises AssertionError when one is broken."""

from __future__ import annotations

import time
from contextlib import suppress

from support.checkers import BaseChecker, ValidationContext, WholeLoadChecker, judge
from support.counts import Counter, engine_running, in_flight
from support.deployment import WRITTEN_WITHIN
from support.errors import DeploymentError, FaultError, NotWithin, TooBusy, UsageError, WrongAnswer
from support.matchers import RecordMatcher, complete_answer, counted_answer
from support.sampling import waits
from support.waiting import consistently, eventually, scaled
from support.world import Left, World

COUNTED_WITHIN = 2.0
"""Seconds that a counter may take to get where it should."""
MEASURED = 0.05
"""Seconds by which two clients of this process may see one moment differently."""
STAYS = 0.5
"""Seconds for which it must then stay there."""


def expect_count(world: World, counter: Counter, expected: int) -> None:
    """The counter has grown by exactly that much since the scenario began, and goes no further."""
    with suppress(NotWithin):  # what was counted is said below
        eventually(
            lambda: world.counted(counter) >= expected,
            within=COUNTED_WITHIN,
            describe=f"{expected} {counter.what} are counted",
        )
    with suppress(AssertionError):
        consistently(lambda: world.counted(counter) == expected, during=STAYS, describe=counter.what)
    seen = world.counted(counter)
    assert seen == expected, f"{counter.what}: {seen:g} were counted, not {expected}"


def expect_abandoned(world: World, *, within: float) -> None:
    """The worker of the client that left generates for it no longer: by its log, by Dynamo's gauge, and by what the
    engine itself says of its slots."""
    left = _left(world)
    clients = [one for one in world.clients.values() if one.request_id != left.request_id]
    others = sum(client.record.status == "running" for client in clients)

    def abandoned() -> bool:
        name, scrape = left.worker.name, left.worker.metrics()
        busy, running = in_flight(scrape), engine_running(scrape)
        assert not world.deployment.serving_workers(left.request_id), f"{name} has not ended the request"
        assert busy <= others, f"{name} works on {busy:g} requests, {others} clients are waiting"
        assert running is None or running <= others, f"the engine of {name} runs {running:g}, {others} clients wait"
        return True

    eventually(abandoned, within=within, describe=f"{left.worker.name} stops working on the request")
    world.note("the worker was seen to have stopped after", f"{time.monotonic() - left.at:.3f} s")


def expect_served(world: World, name: str, *, within: float) -> None:
    """One that waited for its turn gets its first token within that many seconds of the other client's leaving.

    FaultError when somebody else had its answer in the meantime: then its slot may be the one.
    """
    left = _left(world)
    record = world.client(name).wait_for_tokens(1, within=within)
    took = (record.first_token_at or 0.0) - left.at
    if took < 0:
        raise DeploymentError(f"the {name} was served before anyone had left: nothing can be judged")
    assert took <= scaled(within), f"the {name} was served after {took:.2f} s"
    for other, client in world.clients.items():
        if client.record.status == "completed" and other != name:
            raise FaultError(f"the {other} had its answer before the {name} was served: the slot may be its")
    world.note(f"the {name} was served after", f"{took:.3f} s")


def expect_reached(world: World, name: str, *, by: str) -> None:
    """One client's request reached the worker that another's reached, and no other."""

    def reached() -> bool:
        asked = (world.client(one).request_id for one in (by, name))
        wanted, seen = ([worker.name for worker in world.deployment.reached_workers(one)] for one in asked)
        assert wanted, f"no worker has taken up the request of the {by}"
        assert seen == wanted, f"the {name} was served by {', '.join(seen) or 'nobody'}, not {', '.join(wanted)}"
        return True

    eventually(reached, within=WRITTEN_WITHIN, describe=f"the {name} reaches the worker of the {by}")


def expect_served_last(world: World, name: str, *, after: str) -> None:
    """One client's first token came when another had its whole answer."""
    first, whole = world.client(name).finished(), world.client(after).finished()
    assert first.first_token_at is not None, f"the {name} got no answer: {first.error}"
    took = first.first_token_at - (whole.ended_at or 0.0)
    assert took >= -MEASURED, f"the {name} was served {-took:.2f} s before the {after} had its answer"
    world.note(f"the {name} was served after the {after} by", f"{took:.3f} s")


LATE_MS = 250.0
"""A load client that sends later than that (99 of 100) is no witness of times; alone on 2 cores it is below 10 ms."""
STARVED, STARVED_FOR = 1.5, 5.0
"""A component whose threads together waited so long in each of so many seconds is no witness of times. On a cluster of
two nodes on 2 cores the worst of a component is 0.3 to 1.4 in 35 scenarios that ran alone, and 2.0 to 3.3 in 9 that ran
beside another one; of those 4 were not answered as quickly as before in time."""


def expect_of_load(world: World, *checkers: BaseChecker, beside: str | None = None) -> None:
    """What is promised of a load; and that the load itself was what it should be, without which nothing is judged.

    beside: of the second load of that name, instead (`support.faults.overload`).
    """
    main = world.loaded()
    context = main.beside(beside) if beside else main
    for verdict in judge([WholeLoadChecker()], context):
        if not verdict.passed:
            raise FaultError(f"the load was not what it should be: {verdict.saw}")
    verdicts = judge(checkers, context)
    for verdict in verdicts:
        world.note(verdict.checker, verdict.saw)
    broken = [verdict for verdict in verdicts if not verdict.passed]
    seen = "; ".join(map(str, broken))
    if broken and all(verdict.timed for verdict in broken) and (busy := _too_busy(main)):
        raise TooBusy(
            f"this machine is too busy to tell how long answers take: {busy}."
            f" Run fewer scenarios at a time (-j), and nothing else. Seen was: {seen}"
        )
    if any(verdict.of_words for verdict in broken):
        raise WrongAnswer(seen)
    assert not broken, seen


def _too_busy(context: ValidationContext) -> str | None:
    """By what it can be seen that the machine, not Dynamo, made answers late."""
    results = context.results
    if results.late_ms > scaled(LATE_MS):
        return f"1 request in 100 was sent {results.late_ms:.0f} ms after it was due, or later"
    for name, share in waits(context.log_dir, over=STARVED_FOR, apart_from=results.slowed).items():
        if share > STARVED:
            return f"for {STARVED_FOR:g} seconds the threads of {name} waited {share:.1f} s a second for a processor"
    return None


def expect_roster(world: World, *, within: float) -> None:
    """The frontend lists as many workers as there are, and none twice."""

    def told() -> bool:
        ids = [instance.id for instance in world.deployment.instances()]
        assert len(ids) == len(set(ids)) == len(world.deployment.workers), f"the frontend lists the workers {ids}"
        return True

    eventually(told, within=within, describe=f"the frontend lists each of {len(world.deployment.workers)} workers once")


def whole_answer(world: World, tokens: int) -> RecordMatcher:
    """What a complete answer of that many tokens is: word for word where the engine's text is known."""
    return complete_answer(tokens) if world.deployment.spec.engine == "counting" else counted_answer(tokens)


def _left(world: World) -> Left:
    if world.left is None:
        raise UsageError("no client has left yet: say so with 'When the client leaves ...'")
    return world.left
