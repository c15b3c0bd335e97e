"""Single workers under load: who is listed, who gets how much, and what those who lost theirs are told."""

from behave import given, register_type, then, when
from behave.runner import Context

from support.checkers import (
    BegunAnswersChecker,
    NotReadyChecker,
    OthersLatencyChecker,
    RejectionChecker,
    RosterChecker,
    ShareChecker,
    ToldChecker,
)
from support.phrases import TYPES
from support.promises import expect_of_load
from support.scenarios import Load
from support.spec import Backend, Plane

register_type(**TYPES)

WHO = {"nvext": {"extra_fields": ["worker_id"]}}
"""Dynamo's way to ask for the worker's id in the answer."""


@given("a {backend:Backend} deployment with {workers:d} workers that get requests {spread:Router}")
def routed_deployment(context: Context, backend: Backend, workers: int, spread: str) -> None:
    context.world.deploy(backend=backend, workers=workers, migration_limit=3, router_mode=spread)


@given("a {backend:Backend} deployment with {workers:d} workers that get requests {spread:Router}, over {plane:Plane}")
def routed_deployment_over(context: Context, backend: Backend, workers: int, spread: str, plane: Plane) -> None:
    context.world.deploy(backend=backend, workers=workers, migration_limit=3, router_mode=spread, request_plane=plane)


@given(
    "a {backend:Backend} deployment with {workers:d} workers that each take {slots:d} requests and let {queue:d} wait"
)
def capped_deployment(context: Context, backend: Backend, workers: int, slots: int, queue: int) -> None:
    caps = {"engine_request_limit": slots, "request_queue_limit": queue}
    context.world.deploy(backend=backend, workers=workers, migration_limit=3, **caps)


@given("{rate:d} requests a second for {tokens:d} tokens each, whose answers say who gave them")
def requests_that_ask_who(context: Context, rate: int, tokens: int) -> None:
    context.world.begin_load(Load(rate=rate, max_tokens=tokens, extra=WHO))


@when("each worker that serves {name:Client} is killed, {times:d} times in a row")
def kill_serving_workers(context: Context, name: str, times: int) -> None:
    context.world.chase(name, times=times)


@then("the list of those who serve is right within {seconds:d} seconds of each change")
def roster_is_right(context: Context, seconds: int) -> None:
    expect_of_load(context.world, RosterChecker(within=seconds))


@then("the list of those who serve is right all the time")
def roster_is_always_right(context: Context) -> None:
    expect_of_load(context.world, RosterChecker(within=0))


@then("every answer that has begun is given in full")
def begun_answers(context: Context) -> None:
    expect_of_load(context.world, BegunAnswersChecker())


@then("everybody who is not answered in full is told of an error")
def everybody_is_told(context: Context) -> None:
    expect_of_load(context.world, ToldChecker())


@then("{seconds:d} seconds after the loss newcomers are told that nobody serves")
@then("{seconds:d} second after the loss newcomers are told that nobody serves")
def not_ready(context: Context, seconds: int) -> None:
    expect_of_load(context.world, NotReadyChecker(after=seconds))


@then("the slow worker gives at most {share:d} of 100 answers")
def share_of_the_slow(context: Context, share: int) -> None:
    expect_of_load(context.world, ShareChecker(at_most=share))


@then("99 of 100 answers of the other workers are complete within {seconds:d} second")
def others_in_time(context: Context, seconds: int) -> None:
    expect_of_load(context.world, OthersLatencyChecker(at_most_ms=1000 * seconds))


@then("requests are turned away while it lasts, and not before")
def turned_away_meanwhile(context: Context) -> None:
    expect_of_load(context.world, RejectionChecker(stops=False))
