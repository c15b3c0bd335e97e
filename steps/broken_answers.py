"""Answers that cannot go on, and what their clients are told."""

from behave import given, register_type, then, when
from behave.runner import Context
from hamcrest import assert_that

from support.broken_answers import (
    RESPONSE_TIMEOUTS,
    expect_all_serve,
    expect_end_mark,
    expect_one_worker_tried,
    expect_places_free,
    expect_told_and_ended,
    send_breaking,
)
from support.contract import OWN_FAILURES
from support.faults.pause import Pause
from support.matchers import ended_with_error
from support.phrases import TYPES
from support.promises import expect_count
from support.spec import Backend

register_type(**TYPES)


@given(
    "a {backend:Backend} deployment with {workers:d} workers that allows {limit:Count} migrations and gives a"
    " silent worker {seconds:d} seconds"
)
def impatient_deployment(context: Context, backend: Backend, workers: int, limit: int, seconds: int) -> None:
    patience = (("DYN_HTTP_BACKEND_STREAM_TIMEOUT_SECS", str(seconds)),)
    context.world.deploy(backend=backend, workers=workers, migration_limit=limit, environment=patience)


@when("the worker that serves {name:Client} falls silent after {tokens:d} tokens")
def worker_falls_silent(context: Context, name: str, tokens: int) -> None:
    context.world.client(name).wait_for_tokens(tokens)
    context.world.strike_worker_of(name, Pause)


@when("another client streams an answer to a prompt that breaks the engine")
def streams_breaking_prompt(context: Context) -> None:
    context.answer = send_breaking(context.world, stream=True)


@when("another client awaits an answer to a prompt that breaks the engine")
def awaits_breaking_prompt(context: Context) -> None:
    context.answer = send_breaking(context.world, stream=False)


@then("it receives {tokens:d} tokens, then an error that a program can read, then the end of its stream")
def told_and_ended(context: Context, tokens: int) -> None:
    expect_told_and_ended(context.answer, tokens=tokens)


@then("{name:Client} is told of an error after {least:d} to {most:d} seconds, and that its answer is over")
def told_after(context: Context, name: str, least: int, most: int) -> None:
    record = context.world.client(name).finished(within=most)
    assert_that(record, ended_with_error(within=most, since=context.world.struck_at))
    took = (record.ended_at or 0.0) - context.world.struck_at
    context.world.note(f"the {name} was told after", f"{took:.2f} s")
    assert took >= least, f"the {name} was told of an error after {took:.2f} s: its worker had {least} s"
    expect_end_mark(context.world, name)


@then("exactly {count:d} failure of Dynamo's own is counted")
def own_failures(context: Context, count: int) -> None:
    expect_count(context.world, OWN_FAILURES, count)


@then("exactly {count:d} silence of a worker is counted")
def silences(context: Context, count: int) -> None:
    expect_count(context.world, RESPONSE_TIMEOUTS, count)


@then("no other worker is tried")
def no_other_tried(context: Context) -> None:
    expect_one_worker_tried(context.world, context.answer)


@then("every worker serves within {seconds:d} seconds")
def all_serve_again(context: Context, seconds: int) -> None:
    expect_all_serve(context.world, within=seconds)


@then("within {seconds:d} seconds every place is free")
def places_free(context: Context, seconds: int) -> None:
    expect_places_free(context.world, within=seconds)
