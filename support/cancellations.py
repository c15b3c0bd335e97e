"""Clients that leave at a chosen moment of their request, and what must then be free, counted, and never begun."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping

from hamcrest import assert_that

from support.contract import OWN_FAILURES
from support.counts import CANCELLATIONS, CANCELLED, REQUESTS, SUCCEEDED, TOKENS, held
from support.deployment import WRITTEN_WITHIN
from support.errors import FaultError, UsageError
from support.faults.cut_client import CutClient
from support.phrases import Ask
from support.promises import STAYS, expect_count, whole_answer
from support.requests import CancellableRequest
from support.spec import Role
from support.waiting import consistently, eventually
from support.world import World

SHORT = Ask(tokens=5, chat=False, stream=True)


# Moments.


def leave_before_first_token(world: World, name: str, *, at: Role) -> None:
    """The client leaves while a worker of that role has its request and no token has come.

    DeploymentError when that is not seen within 5 s, FaultError when a token came before the client was gone.
    """
    client = world.client(name)
    worker = world.worker_beginning(name, at)
    world.part(name, worker)
    if client.record.chunks:
        raise FaultError(f"the {name} had a token before it left: nothing can be judged")


def leave_queue(world: World, name: str) -> None:
    """The client leaves while its request waits for its turn. FaultError when it had a token, or got one first."""
    client = world.client(name)
    reached = world.deployment.reached_workers(client.request_id)
    world.part(name, reached[0] if reached else world.deployment.workers[0])
    if client.record.chunks:
        raise FaultError(f"the {name} did not have to wait for its turn: nothing can be judged")


def leave_too(world: World, name: str) -> None:
    """One more client leaves while its answer is being generated, under whichever name its request has."""
    worker = world.left.worker if world.left else world.worker_of(name)
    world.client(name).wait_for_tokens(10)
    world.part(name, worker)


def send_under_same_name(world: World, name: str, ask: Ask) -> None:
    """A client asks under the name that the first client's request has, when that one is being answered or has left.

    One after the other, so that the first one in the frontend's log is the first client's.
    """
    first = next(iter(world.clients.values()))
    if first.record.status == "running":
        first.wait_for_tokens(1)
    world.send(name, ask, CancellableRequest(first.request_id))


def leave_at_last_token(world: World, count: int) -> None:
    """So many clients, one after the other, leave when the last token of their answer comes."""
    for number in range(count):
        name = f"client {number}"
        client = world.send(name, SHORT)
        client.wait_for_tokens(SHORT.tokens)
        client.cancel()


def cut_off(world: World, name: str) -> None:
    """Nothing more comes from the client, and nothing reaches it; nobody is told."""
    client = world.client(name)
    worker = world.worker_of(name)
    client.wait_for_tokens(10)
    world.journal.inject(CutClient(name, world.far[name], client))
    world.gone(name, worker, at=world.struck_at)


def cut_off_for(world: World, name: str, seconds: float) -> None:
    """The same for so long."""
    cut_off(world, name)
    world.heal_after(seconds)
    world.left = None


def stop_reading(world: World, name: str) -> None:
    """The client takes nothing more, and stays."""
    client = world.client(name)
    client.wait_for_tokens(10)
    client.stop_reading()


# Promises.


def expect_all_free(world: World, *, within: float) -> None:
    """No worker holds anything: no request, no slot, no block; so many seconds after the last client left at most."""

    def free() -> bool:
        holding = {one.name: what for one in world.deployment.workers if one.running and (what := held(one.metrics()))}
        assert not holding, f"{holding}"
        return True

    eventually(free, within=within, describe="no worker holds anything for anybody")
    if world.left:
        world.note("nothing was held any more after", f"{time.monotonic() - world.left.at:.3f} s")


def expect_counted_once(world: World, asked: Mapping[str, str]) -> None:
    """Exactly one cancellation is counted, and it is under these labels."""
    expect_count(world, dataclasses.replace(CANCELLATIONS, labels=asked), 1)
    expect_count(world, CANCELLATIONS, 1)


def expect_counted_as_cancelled(world: World) -> None:
    """Of all requests of this scenario one ended, and as cancelled: not as answered, nor as a failure of Dynamo's."""
    expect_count(world, REQUESTS, 1)
    ends = {"answered": SUCCEEDED, "cancelled": CANCELLED, "an internal error": OWN_FAILURES}
    counted = {how: count for how, counter in ends.items() if (count := world.counted(counter))}
    told = ", ".join(f"{how} ({count:g})" for how, count in counted.items()) or "something else"
    assert counted == {"cancelled": 1}, f"the request that was cancelled is counted as {told}"


def expect_not_generated_to_the_end(world: World, name: str) -> None:
    """Less was generated than the client would have got. UsageError where there are other clients."""
    if set(world.clients) != {name}:
        raise UsageError(f"nobody can say which tokens were the {name}'s: {', '.join(world.clients)} asked")
    whole, generated = world.client(name).record.max_tokens, world.counted(TOKENS)
    world.note(f"tokens generated for the {name}, of {whole}", f"{generated:g}")
    assert generated < whole, f"all of the {whole} tokens were generated for the {name}, who had left"


def expect_one_outcome_each(world: World) -> None:
    """Every request of this scenario is counted once, as answered or as cancelled, and cancelled ones once more so."""
    count = len(world.clients)
    expect_count(world, REQUESTS, count)
    answered, cancelled = world.counted(SUCCEEDED), world.counted(CANCELLED)
    completed = sum(client.record.status == "completed" for client in world.clients.values())
    world.note("clients that had the whole answer", completed)
    world.note("counted as answered, as cancelled", f"{answered:g}, {cancelled:g}")
    assert answered + cancelled == count, f"of {count} requests {answered:g} were answered, {cancelled:g} cancelled"
    assert answered >= completed, f"{completed} clients had the whole answer, {answered:g} were counted as answered"
    expect_count(world, CANCELLATIONS, int(cancelled))


def expect_nothing_generated_for(world: World, name: str) -> None:
    """The workers have generated what the others received, and not one token more."""
    expect_count(world, TOKENS, _received_by_others(world, name))


def expect_little_generated_for(world: World, name: str, count: int) -> None:
    """The same, and so many tokens more at most: who has left is known to its worker only when that calls back."""
    received = _received_by_others(world, name)
    consistently(
        lambda: world.counted(TOKENS) <= received + count,
        during=STAYS,
        describe=f"at most {count} tokens are generated for the {name}",
    )
    world.note(f"tokens generated for the {name}", f"{world.counted(TOKENS) - received:g}")


def _received_by_others(world: World, name: str) -> int:
    """Tokens, when all of them have their answers. UsageError when that one has received any."""
    if world.client(name).record.chunks:
        raise UsageError(f"the {name} has received tokens: nothing can be said of those that it did not")
    return sum(len(client.finished().chunks) for other, client in world.clients.items() if other != name)


def expect_never_begun(world: World, name: str) -> None:
    """No worker has taken the request up, though everybody else has had its answer."""
    for other, client in world.clients.items():
        if other != name:
            client.finished()
    reached = world.deployment.reached_workers(world.client(name).request_id)
    assert not reached, f"{reached[0].name} took up the request of the {name}, who had left"


def expect_each_serves(world: World, *, within: float) -> None:
    """Newcomers are answered in full, one after the other, until each worker has worked; no more than there are."""
    idle = {one.name for one in world.deployment.workers}
    for number, _ in enumerate(world.deployment.workers):
        if idle:
            client = world.send(f"newcomer {number}", SHORT)
            assert_that(client.finished(within=within), whole_answer(world, SHORT.tokens))
            idle -= _reached(world, client)
    assert not idle, f"{', '.join(sorted(idle))} served none of the newcomers"


def _reached(world: World, client: CancellableRequest) -> set[str]:
    """The names of the workers that took up the request of a client which has its answer."""
    reached = eventually(
        lambda: world.deployment.reached_workers(client.request_id),
        within=WRITTEN_WITHIN,
        describe=f"a worker says that it took up request {client.request_id}",
    )
    return {one.name for one in reached}
