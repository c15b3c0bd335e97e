"""Answers whose worker is lost: at which moment, in which way, and what becomes of them."""

from collections.abc import Mapping

from behave import given, register_type, then, when
from behave.runner import Context

from support.counts import NEW_MIGRATIONS, TOO_LONG
from support.faults.kill import Kill
from support.faults.pause import Pause
from support.migrations import (
    Blow,
    ask_after_loss,
    expect_all_answered,
    expect_counted_as_moved,
    expect_crowd,
    expect_going_on,
    expect_not_begun_again,
    expect_received,
    expect_same_wishes,
    expect_stopped,
    expect_struck_crowd_told,
    leave_while_moved,
    lose_while_joining,
    send_crowd,
    strike_at_token,
    strike_before_first_token,
    strike_for,
    strike_in_crowd,
    strike_in_crowd_past_newcomer,
    strike_while_generating,
    strike_with_another,
)
from support.phrases import TYPES, Ask
from support.promises import expect_count
from support.spec import Backend, Plane

register_type(**TYPES)


@given("a {backend:Backend} deployment with {workers:d} workers that take a second to read a prompt and may migrate")
def reading_workers(context: Context, backend: Backend, workers: int) -> None:
    context.world.deploy(backend=backend, workers=workers, migration_limit=3, seconds_to_prefill=1)


@given(
    "a {backend:Backend} deployment with {prefill:d} prefill and {decode:d} decode workers that take a second each and"
    " may migrate"
)
def reading_prefill(context: Context, backend: Backend, prefill: int, decode: int) -> None:
    shape = {"workers": 0, "prefill": prefill, "decode": decode, "seconds_to_prefill": 1, "seconds_to_hand_over": 1}
    context.world.deploy(backend=backend, migration_limit=3, **shape)


@given(
    "a {backend:Backend} deployment with {prefill:d} prefill and {decode:d} decode workers that allows {limit:Count}"
    " migrations, over {plane:Plane}"
)
def prefill_decode_over(
    context: Context, backend: Backend, prefill: int, decode: int, limit: int, plane: Plane
) -> None:
    shape = {"workers": 0, "prefill": prefill, "decode": decode}
    context.world.deploy(backend=backend, migration_limit=limit, request_plane=plane, **shape)


@given("a {backend:Backend} deployment with {workers:d} slow workers that moves answers of up to {longest:d} tokens")
def bounded_deployment(context: Context, backend: Backend, workers: int, longest: int) -> None:
    bound = {"migration_limit": 3, "migration_max_seq_len": longest}
    context.world.deploy(backend=backend, workers=workers, tokens_per_second=2, seconds_to_prefill=1, **bound)


@given("a {backend:Backend} deployment with {workers:d} workers for {slots:d} request each that may migrate")
def narrow_workers(context: Context, backend: Backend, workers: int, slots: int) -> None:
    context.world.deploy(backend=backend, workers=workers, migration_limit=3, slots=slots)


@given("a {backend:Backend} deployment with 1 worker that may migrate, and 1 worker of another model")
def two_models(context: Context, backend: Backend) -> None:
    context.world.deploy(backend=backend, workers=1, other_model_workers=1, migration_limit=3)


@given("{name:Client} that {ask:Ask} and wishes {wish:Wish}")
def wishful_client(context: Context, name: str, ask: Ask, wish: str) -> None:
    context.world.send_wish(name, ask, wish)


@given("{count:d} clients that each stream {tokens:d} tokens")
def crowd(context: Context, count: int, tokens: int) -> None:
    send_crowd(context.world, count, Ask(tokens=tokens, chat=False, stream=True))


@when("the worker that serves {name:Client} {blow:Blow} before the first token")
def strike_early(context: Context, name: str, blow: Blow) -> None:
    strike_before_first_token(context.world, name, blow, role="worker")


@when("the worker that reads the prompt of {name:Client} {blow:Blow}")
def strike_reader(context: Context, name: str, blow: Blow) -> None:
    strike_before_first_token(context.world, name, blow, role="prefill")


@when("the worker that serves {name:Client} {blow:Blow} while it generates")
def strike_generating(context: Context, name: str, blow: Blow) -> None:
    strike_while_generating(context.world, name, blow)


@when("the worker that serves {name:Client} {blow:Blow} after exactly {tokens:d} tokens")
def strike_exactly(context: Context, name: str, blow: Blow, tokens: int) -> None:
    strike_at_token(context.world, name, blow, tokens)


@when("the worker that serves {name:Client} and {whom:Whom} are killed after {tokens:d} tokens")
def strike_two(context: Context, name: str, whom: str, tokens: int) -> None:
    strike_with_another(context.world, name, Kill, tokens=tokens, whom=whom)


@when("the worker that serves {name:Client} is frozen for {seconds:d} seconds after {tokens:d} tokens")
def freeze_for(context: Context, name: str, seconds: int, tokens: int) -> None:
    strike_for(context.world, name, Pause, tokens=tokens, seconds=seconds)


@when("the worker that serves {name:Client} is {cut:Cut} for {seconds:d} seconds after {tokens:d} tokens")
def cut_for(context: Context, name: str, cut: Mapping[str, str], seconds: int, tokens: int) -> None:
    strike_for(context.world, name, context.world.cutting(cut), tokens=tokens, seconds=seconds)


@when("the worker that serves {name:Client} is {cut:Cut} after {tokens:d} tokens")
def cut_serving_worker(context: Context, name: str, cut: Mapping[str, str], tokens: int) -> None:
    context.world.client(name).wait_for_tokens(tokens)
    context.world.strike_worker_of(name, context.world.cutting(cut))


@when("{name:Client} leaves while its answer is being moved")
def leaves_while_moved(context: Context, name: str) -> None:
    leave_while_moved(context.world, name)


@when("one worker is killed and {count:d} newcomers ask, one after the other")
def newcomers_after_loss(context: Context, count: int) -> None:
    ask_after_loss(context.world, count)


@when("one more worker joins and is killed as soon as it is listed")
def killed_while_joining(context: Context) -> None:
    lose_while_joining(context.world)


@when("a worker that joins is killed, and then the worker of some of them after {tokens:d} tokens")
def strike_past_newcomer(context: Context, tokens: int) -> None:
    strike_in_crowd_past_newcomer(context.world, tokens=tokens)


@when("the worker of some of them {blow:Blow} after {tokens:d} tokens")
def strike_some(context: Context, blow: Blow, tokens: int) -> None:
    strike_in_crowd(context.world, blow, tokens=tokens)


@then("each of them receives each of the {tokens:d} tokens exactly once")
def crowd_is_answered(context: Context, tokens: int) -> None:
    expect_crowd(context.world, tokens)


@then("each of them that it served is told of an error within {seconds:d} seconds")
def struck_crowd_is_told(context: Context, seconds: int) -> None:
    expect_struck_crowd_told(context.world, within=seconds)


@then("as many migrations are counted as answers ran on it")
def counted_as_moved(context: Context) -> None:
    expect_counted_as_moved(context.world)


@then("each newcomer receives each of the {tokens:d} tokens exactly once")
def newcomers_are_answered(context: Context, tokens: int) -> None:
    expect_all_answered(context.world, tokens)


@then("exactly {count:d} migration of a request not begun is counted")
def new_migrations_counted(context: Context, count: int) -> None:
    expect_count(context.world, NEW_MIGRATIONS, count)


@then("exactly {count:d} request is counted as too long to be moved")
def too_long_counted(context: Context, count: int) -> None:
    expect_count(context.world, TOO_LONG, count)


@then("the worker that goes on with the answer of {name:Client} is asked for the same")
def same_wishes(context: Context, name: str) -> None:
    expect_same_wishes(context.world, name)


@then("{name:Client} receives {tokens:d} tokens in order, and the answer stops there")
def stops_there(context: Context, name: str, tokens: int) -> None:
    expect_stopped(context.world, name, tokens)


@then("within {seconds:d} seconds the answer of {name:Client} goes on")
def goes_on(context: Context, seconds: int, name: str) -> None:
    expect_going_on(context.world, name, within=seconds)


@then("no other worker takes up the request of {name:Client}")
def not_begun_again(context: Context, name: str) -> None:
    expect_not_begun_again(context.world, name)


@then("the workers have received exactly {count:d} requests")
def received(context: Context, count: int) -> None:
    expect_received(context.world, count)
