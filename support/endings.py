"""How a component ends that was asked to, or that has to: what it promises until then, and its last word."""

from __future__ import annotations

import time
from collections.abc import Callable
from http import HTTPStatus

from support.broken_answers import expect_places_free
from support.deployment import Component
from support.errors import FaultError, UsageError
from support.faults import Fault
from support.recording import outcome
from support.refusals import Answer, Question, ask, completion
from support.spec import GENERATING
from support.waiting import eventually, scaled
from support.world import World

SAYS_SO_WITHIN = 1.0
"""Seconds that a frontend may take to notice that it was asked to end."""
READY, ALIVE = "/health", "/live"
"""Where a frontend says of itself whether it should be sent requests, and whether it should be left running."""


def struck(world: World) -> Component:
    """The one component to which something was done last. UsageError when it was several."""
    name = world.journal.marks[-1].target if world.journal.marks else ""
    if name not in world.deployment.components:
        raise UsageError(f"nothing was done to one component of this deployment, but to {name or 'nobody'!r}")
    return world.deployment.component(name)


def expect_out_of_discovery(world: World, *, within: float) -> None:
    """The frontend does not list the struck worker any more, so many seconds (scaled) after it was struck."""
    worker = struck(world)

    def unlisted() -> bool:
        listed = [instance.component for instance in world.deployment.instances() if instance.address == worker.address]
        assert not listed, f"the frontend still lists {worker.name}"
        return True

    eventually(unlisted, within=_left(world, within), describe=f"{worker.name} has left discovery")
    world.note(f"{worker.name} was seen to have left discovery after", f"{time.monotonic() - world.struck_at:.3f} s")


def expect_untouched(world: World) -> None:
    """No client that came after it was struck has reached that worker; AssertionError also when none came."""
    worker = struck(world)
    later = {name: one for name, one in world.clients.items() if one.record.started_at > world.struck_at}
    assert later, f"no client came after {worker.name} was to end: nothing can be judged"
    reached = [name for name, one in later.items() if worker in world.deployment.reached_workers(one.request_id)]
    assert not reached, f"{worker.name} was to end, and still got the requests of the {', '.join(reached)}"


def expect_end(world: World, *, status: int | None, within: float) -> None:
    """The struck component ends by itself so many seconds (scaled) after it was struck, with that exit status.

    None: with any. A worker of Dynamo 1.4.2 that gives up answers while it ends is sometimes aborted by the C library
    ("FATAL: exception not rethrown", -6): its threads of Rust still want Python while Python ends.
    """
    one = struck(world)
    eventually(lambda: one.ends, within=_left(world, within), describe=f"{one.name} has ended")
    ended = f"{time.monotonic() - world.struck_at:.3f} s, with exit status {', '.join(map(str, one.ends))}"
    world.note(f"{one.name} was seen to have ended after", ended)
    assert len(one.ends) == 1, f"{one.name} ended {len(one.ends)} times"
    assert status in (None, one.ends[0]), f"{one.name} ended with {one.ends}, not with {status}"


def strike_frontend(world: World, fault: Callable[[Component], Fault], *, after: int) -> None:
    """Strike frontend-0 when every client that streams has so many tokens, and every other one is being answered.

    FaultError when one had its whole answer before.
    """
    for name, client in world.clients.items():
        world.worker_of(name)  # it is being answered
        if client.record.stream:
            client.wait_for_tokens(after)
    world.journal.inject(fault(world.deployment.frontend))
    for name, client in world.clients.items():
        ended_at = client.record.ended_at
        if ended_at is not None and ended_at < world.struck_at:
            raise FaultError(f"the {name} had its answer before the frontend was struck: nothing can be judged")


def says(world: World, path: str) -> Answer:
    """What frontend-0 answers there. AssertionError when it does not answer."""
    answer = ask(world.deployment.base_url, Question(method="GET", path=path, content_type=None))
    world.note(f"the frontend's answer at {path}", answer)
    return answer


def expect_not_ready(world: World) -> None:
    """The frontend says so, at the latest `SAYS_SO_WITHIN` seconds after the last fault."""

    def said() -> bool:
        answer = says(world, READY)
        assert answer.status == HTTPStatus.SERVICE_UNAVAILABLE, f"the frontend said {answer}"
        return True

    eventually(said, within=_left(world, SAYS_SO_WITHIN), describe="the frontend says that it is not ready")


def expect_alive(world: World) -> None:
    """The frontend says now that it should be left running."""
    answer = says(world, ALIVE)
    assert answer.status == HTTPStatus.OK, f"the frontend said {answer}"


def expect_all_ended(world: World, *, within: float) -> None:
    """So many seconds (scaled) after the last fault every request has come to its end, however it did."""
    for name, client in world.clients.items():
        record = client.finished(within=_left(world, within))
        world.note(f"the {name} saw", outcome(record))


def expect_all_free(world: World, *, within: float) -> None:
    """So many seconds (scaled) after the last fault no worker works on anything (`expect_places_free`)."""
    expect_places_free(world, *GENERATING, within=_left(world, within))
    world.note("every place was seen to be free after", f"{time.monotonic() - world.struck_at:.3f} s")


def expect_service(world: World, *, within: float) -> None:
    """A good request is answered again, so many seconds (scaled) after the last fault."""

    def served() -> bool:
        answer = ask(world.deployment.base_url, completion(world.deployment.model))
        assert answer.status == HTTPStatus.OK, str(answer)
        return True

    eventually(served, within=_left(world, within), describe="a good request is answered")
    world.note("a good request was answered after", f"{time.monotonic() - world.struck_at:.3f} s")


def _left(world: World, within: float) -> float:
    """What is left of so many seconds since the last fault, unscaled as waits take it."""
    return max(world.struck_at + scaled(within) - time.monotonic(), 0.0) / scaled(1)
