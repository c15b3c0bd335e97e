"""What a request may wish for: to be more urgent than others, or to be served by a worker of its choice."""

from behave import given, register_type, then, when
from behave.runner import Context

from support.checkers import PriorityChecker
from support.phrases import TYPES, Ask
from support.promises import expect_of_load, expect_reached, expect_served_last
from support.scenarios import Failure
from support.spec import Backend

register_type(**TYPES)


@given("a {backend:Backend} deployment with 1 worker of 1 place, where the urgent go first")
def urgent_first(context: Context, backend: Backend) -> None:
    context.world.deploy(backend=backend, workers=1, slots=1, router_mode="kv", router_queue_threshold=0.0)


@given("a {backend:Backend} deployment with {workers:d} workers of 1 place that get requests {spread:Router}")
def small_workers(context: Context, backend: Backend, workers: int, spread: str) -> None:
    context.world.deploy(backend=backend, workers=workers, slots=1, router_mode=spread)


@given("{name:Client} that wants the worker of {other:Client} and {ask:Ask}")
def client_beside(context: Context, name: str, other: str, ask: Ask) -> None:
    context.world.send_beside(name, ask, other)


@when("an urgent client asks for {tokens:d} tokens again and again for {seconds:d} seconds on top")
def urgent(context: Context, tokens: int, seconds: int) -> None:
    asked = {"max_tokens": str(tokens)}
    context.world.strike_under_load([Failure(type="urgent", parameters=asked, lasts=float(seconds))])


@then("99 of 100 urgent answers are complete within {seconds:d} second, while the others take twice as long")
def urgent_in_time(context: Context, seconds: int) -> None:
    expect_of_load(context.world, PriorityChecker(at_most_ms=1000 * seconds))


@then("{name:Client} was served by the worker of {other:Client} and no other")
def served_beside(context: Context, name: str, other: str) -> None:
    expect_reached(context.world, name, by=other)


@then("{name:Client} was served after {other:Client} had its whole answer")
def served_last(context: Context, name: str, other: str) -> None:
    expect_served_last(context.world, name, after=other)
