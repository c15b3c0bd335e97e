"""Many clients who leave at once, and what becomes of them and of the others."""

from behave import given, register_type, then, when
from behave.runner import Context

from support.phrases import TYPES
from support.spec import Backend
from support.storms import expect_aborted, expect_each_counted_once, expect_others_served, expect_queue, storm

register_type(**TYPES)


@given("a {backend:Backend} deployment with {workers:d} workers that serve {slots:d} requests at a time each")
def deployment_of_slots(context: Context, backend: Backend, workers: int, slots: int) -> None:
    context.world.deploy(backend=backend, workers=workers, slots=slots)


@when(
    "{clients:d} clients ask for {tokens:d} tokens each, {rate:d} a second, and about half of them leave at random"
    " moments"
)
def many_leave(context: Context, clients: int, tokens: int, rate: int) -> None:
    storm(context.world, clients=clients, tokens=tokens, rate=rate)


@then("those who stay receive each token exactly once")
def others_served(context: Context) -> None:
    expect_others_served(context.world)


@then("nobody is worked for longer than {seconds:d} second after leaving")
def aborted_in_time(context: Context, seconds: int) -> None:
    expect_aborted(context.world, within=seconds)


@then("each of those who left is counted exactly once")
def counted_once(context: Context) -> None:
    expect_each_counted_once(context.world)


@then("some of them had to wait for their turn")
def had_to_wait(context: Context) -> None:
    expect_queue(context.world)
