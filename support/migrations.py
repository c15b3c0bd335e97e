"""Workers that are lost at a chosen moment of a request, and what must become of it then."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any

from hamcrest import assert_that

from support.cancellations import SHORT
from support.counts import BEGUN_ANSWERS, ONGOING_MIGRATIONS, RECEIVED
from support.deployment import WRITTEN_WITHIN, Component
from support.errors import DeploymentError, FaultError, UsageError
from support.faults import Fault
from support.faults.kill import Kill
from support.matchers import ended_with_error, stopped_answer
from support.phrases import Ask
from support.promises import expect_count, whole_answer
from support.spec import Role
from support.victims import victims
from support.waiting import consistently, eventually, scaled
from support.world import World

Blow = Callable[[Component], Fault]
CROWD = "member {}"
_UNDER_WAY = 20
"""Tokens that may have been sent before a worker was struck, and come later."""


# Moments.


def strike_before_first_token(world: World, name: str, blow: Blow, *, role: Role) -> None:
    """Strike the worker of that role which has the client's request, before a token came. FaultError when one did."""
    client = world.client(name)
    worker = world.worker_beginning(name, role)
    world.journal.inject(blow(worker))
    first = client.record.first_token_at
    if first is not None and first < world.struck_at:
        raise FaultError(f"the {name} had a token before {worker.name} was struck: nothing can be judged")


def strike_while_generating(world: World, name: str, blow: Blow) -> None:
    """Strike the worker that generates for a client that may not see it: its answer comes in one piece."""
    eventually(
        lambda: world.counted(BEGUN_ANSWERS) >= len(world.clients),
        within=10,
        describe=f"the answer of the {name} has begun",
        error=DeploymentError,
    )
    world.strike_worker_of(name, blow)


def strike_at_token(world: World, name: str, blow: Blow, tokens: int) -> None:
    """Strike its worker when the client has exactly so many tokens. FaultError when it got one more from it."""
    client = world.client(name)
    client.wait_for_tokens(tokens)
    world.strike_worker_of(name, blow)
    late = [chunk for chunk in client.record.chunks[tokens:] if chunk.at < world.struck_at]
    if late:
        raise FaultError(f"the {name} had {tokens + len(late)} tokens, not {tokens}, when its worker was struck")


def strike_for(world: World, name: str, blow: Blow, *, tokens: int, seconds: float) -> None:
    """Strike its worker after so many tokens, and take that back after so many seconds."""
    world.client(name).wait_for_tokens(tokens)
    world.strike_worker_of(name, blow)
    world.heal_after(seconds)


def strike_with_another(world: World, name: str, blow: Blow, *, tokens: int, whom: str) -> None:
    """Strike its worker and another one at the same moment."""
    client = world.client(name)
    client.wait_for_tokens(tokens)
    world.strike_worker_of(name, blow, *(blow(one) for one in victims(world.deployment, whom)))


def leave_while_moved(world: World, name: str) -> None:
    """The client's worker is killed, and it leaves when another one has its request and has given it nothing yet."""
    client = world.client(name)
    client.wait_for_tokens(20)
    first = world.worker_of(name)
    world.journal.inject(Kill(first))
    other = world.worker_of(name)
    if other is first:
        raise FaultError(f"the request of the {name} is still at {first.name}, which is dead")
    seen = len(client.record.chunks)
    world.part(name, other)
    if len(client.record.chunks) > seen + 1:
        raise FaultError(f"the {name} was answered by {other.name} before it left: nothing can be judged")


def ask_after_loss(world: World, count: int) -> None:
    """One worker is killed, and so many newcomers ask one after the other while the frontend still lists it."""
    (victim,) = victims(world.deployment, "one worker")
    world.journal.inject(Kill(victim))
    listed = [instance.address for instance in world.deployment.instances()]
    if victim.address not in listed and world.deployment.spec.request_plane == "tcp":  # NATS tells no address
        raise FaultError(f"{victim.name} is off the list already: nothing can be judged")
    for number in range(count):
        world.send(f"newcomer {number}", SHORT).finished()


def lose_while_joining(world: World) -> None:
    """One more worker joins, and is killed as soon as it is listed."""
    world.journal.inject(Kill(world.deployment.add("worker")))


# Many.


def send_crowd(world: World, count: int, ask: Ask) -> None:
    """So many clients ask at once."""
    for number in range(count):
        world.send(CROWD.format(number), ask)


def strike_in_crowd_past_newcomer(world: World, *, tokens: int) -> None:
    """Kill a worker that joins when each of the crowd has so many tokens and that nobody uses; then one that has some.

    Nobody has noticed the first when the second one's answers are moved.
    """
    _await_crowd(world, tokens)
    lose_while_joining(world)
    strike_in_crowd(world, Kill, tokens=tokens)


def strike_in_crowd(world: World, blow: Blow, *, tokens: int) -> None:
    """Strike one worker when each of the crowd has so many tokens, and keep whose answers ran on it."""
    crowd = _await_crowd(world, tokens)
    victim = world.worker_of(next(iter(crowd)))
    there = [name for name in crowd if world.worker_of(name) is victim]
    if len(there) == len(crowd):
        raise DeploymentError(f"all {len(crowd)} answers run on {victim.name}: nobody would be disturbed elsewhere")
    world.journal.inject(blow(victim))
    world.note(f"answers that ran on {victim.name}", len(there))
    world.struck_crowd = there


def expect_crowd(world: World, tokens: int) -> None:
    """Each of the crowd has each token exactly once."""
    for name in _crowd(world):
        record = world.client(name).finished()
        assert_that(record, whole_answer(world, tokens))
    gaps = [max(world.client(name).record.gaps, default=0.0) for name in _crowd(world)]
    world.note("longest gap between two tokens", f"{max(gaps):.3f} s")


def expect_counted_as_moved(world: World) -> None:
    """As many migrations of running requests are counted as answers ran on the worker that was lost."""
    expect_count(world, ONGOING_MIGRATIONS, len(_struck_crowd(world)))


def expect_struck_crowd_told(world: World, *, within: float) -> None:
    """Each client whose answer ran on the struck worker is told of an error so many seconds (scaled) after."""
    for name in _struck_crowd(world):
        record = world.client(name).finished(within=within)
        assert_that(record, ended_with_error(within=within, since=world.struck_at), f"the {name}")


def _struck_crowd(world: World) -> list[str]:
    if not world.struck_crowd:
        raise UsageError("no worker of a crowd was struck: say so with 'When the worker of some of them ...'")
    return world.struck_crowd


def _await_crowd(world: World, tokens: int) -> list[str]:
    """The crowd, when each of it has so many tokens."""
    crowd = _crowd(world)
    for name in crowd:
        world.client(name).wait_for_tokens(tokens)
    return crowd


def _crowd(world: World) -> list[str]:
    found = [name for name in world.clients if name.startswith(CROWD.format(""))]
    if not found:
        raise UsageError("the scenario has no crowd: say so with 'Given ... clients that each ...'")
    return found


# What became of it.


def expect_all_answered(world: World, tokens: int) -> None:
    """Every client of the scenario has each token exactly once."""
    for name, client in world.clients.items():
        assert_that(client.finished(), whole_answer(world, tokens), name)


def expect_same_wishes(world: World, name: str) -> None:
    """The worker that goes on is asked for what the first one was, but for the tokens that are there already."""
    record = world.client(name).finished()

    def both() -> list[dict[str, Any]]:
        told = [wish for worker in world.deployment.reached_workers(record.request_id) for wish in _asked(worker)]
        assert len(told) == 2, f"{len(told)} workers were seen to be asked, not 2: nothing can be compared"
        return told

    asked = eventually(both, within=WRITTEN_WITHIN, describe="two workers say their wishes", error=DeploymentError)
    tokens = "stop_conditions.max_tokens"
    first, second = sorted(asked, key=lambda each: -int(each[tokens]))
    world.note("the first worker was asked for", json.dumps(first))
    world.note("the second worker was asked for", json.dumps(second))
    other = {key: (first.get(key), second.get(key)) for key in first.keys() | second.keys() if key != tokens}
    changed = [f"{key}: {one}, then {two}" for key, (one, two) in sorted(other.items()) if one != two]
    assert not changed, f"the worker that goes on was asked for something else: {'; '.join(changed)}"
    assert int(first[tokens]) == record.max_tokens, f"the first worker was asked for {first[tokens]} tokens"
    assert 0 < int(second[tokens]) < record.max_tokens, f"the second worker was asked for {second[tokens]} tokens"


def expect_stopped(world: World, name: str, tokens: int) -> None:
    """The client has exactly so many tokens in order, and is told that the answer stopped there."""
    assert_that(world.client(name).finished(), stopped_answer(tokens))


def expect_going_on(world: World, name: str, *, within: float) -> None:
    """More tokens come than were there when the worker was struck for certain, and some that were under way."""
    client = world.client(name)
    there = sum(chunk.at <= world.done_at for chunk in client.record.chunks)
    left = world.struck_at + scaled(within) - time.monotonic()
    client.wait_for_tokens(there + _UNDER_WAY, within=left / scaled(1))
    world.note(f"the answer of the {name} went on after", f"{time.monotonic() - world.struck_at:.3f} s")


def expect_received(world: World, count: int) -> None:
    """The workers together have received exactly so many requests, and within a second no more."""
    expect_count(world, RECEIVED, count)
    consistently(lambda: world.counted(RECEIVED) == count, during=1.0, describe=f"workers received {count} requests")


def expect_not_begun_again(world: World, name: str) -> None:
    """Nothing more comes, and no other worker has taken the request up."""
    reached = world.deployment.reached_workers(world.client(name).request_id)
    assert len(reached) == 1, f"{', '.join(one.name for one in reached)} took up the request, though it may not move"


def _asked(worker: Component) -> list[dict[str, Any]]:
    return [json.loads(told) for told in re.findall(r"Wishes of \S+: (\{.*\})", worker.logs())]
