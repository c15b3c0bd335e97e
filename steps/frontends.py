"""Frontends that are to end or are lost: what they say of themselves, and what their clients and workers see."""

from collections.abc import Callable

from behave import given, register_type, then, when
from behave.runner import Context

from support.checkers import OtherFrontendsChecker
from support.deployment import Component
from support.endings import (
    expect_alive,
    expect_all_ended,
    expect_all_free,
    expect_not_ready,
    expect_service,
    strike_frontend,
)
from support.faults import Fault
from support.phrases import TYPES
from support.promises import expect_of_load
from support.spec import Backend

register_type(**TYPES)


@given("a {backend:Backend} deployment with {frontends:d} frontends and {workers:d} workers")
def several_frontends(context: Context, backend: Backend, frontends: int, workers: int) -> None:
    context.world.deploy(backend=backend, frontends=frontends, workers=workers)


@given("a {backend:Backend} deployment with {workers:d} workers whose frontend gives its answers {seconds:d} seconds")
def draining_frontend(context: Context, backend: Backend, workers: int, seconds: int) -> None:
    context.world.deploy(backend=backend, workers=workers, frontend_drain_timeout=seconds)


@given(
    "a {backend:Backend} deployment with 1 worker that serves {slots:d} requests at a time, where what ends is started"
    " again"
)
def restarting_worker(context: Context, backend: Backend, slots: int) -> None:
    context.world.deploy(backend=backend, workers=1, slots=slots, restart="always")


@when("the frontend {blow:Blow} after {tokens:d} tokens of every stream")
def strike_frontend_in_mid_answer(context: Context, blow: Callable[[Component], Fault], tokens: int) -> None:
    strike_frontend(context.world, blow, after=tokens)


@then("it says that it is not ready")
def says_not_ready(context: Context) -> None:
    expect_not_ready(context.world)


@then("it says that it lives")
def says_alive(context: Context) -> None:
    expect_alive(context.world)


@then("every client hears within {seconds:d} seconds that its answer has come to an end")
def all_hear(context: Context, seconds: int) -> None:
    expect_all_ended(context.world, within=seconds)


@then("its workers are free within {seconds:d} seconds")
def workers_free(context: Context, seconds: int) -> None:
    expect_all_free(context.world, within=seconds)


@then("the frontend serves again within {seconds:d} seconds")
def frontend_serves_again(context: Context, seconds: int) -> None:
    expect_service(context.world, within=seconds)


@then("every request to the other frontend is answered in full")
def others_answered(context: Context) -> None:
    expect_of_load(context.world, OtherFrontendsChecker())
