"""Clients that leave at other moments, in other ways; what must be free then, and what is counted."""

from collections.abc import Mapping

from behave import given, register_type, then, when
from behave.runner import Context

from support.cancellations import (
    SHORT,
    cut_off,
    cut_off_for,
    expect_all_free,
    expect_counted_once,
    expect_each_serves,
    expect_little_generated_for,
    expect_never_begun,
    expect_nothing_generated_for,
    expect_one_outcome_each,
    leave_at_last_token,
    leave_before_first_token,
    leave_queue,
    leave_too,
    send_under_same_name,
    stop_reading,
)
from support.departures import Departure
from support.phrases import TYPES, Ask
from support.spec import Backend, Plane

register_type(**TYPES)

READING = 1.0
"""Seconds that a worker reads a prompt where the scenario is about that time."""


@given("a {backend:Backend} deployment with 1 worker that serves {slots:d} requests at a time, over {plane:Plane}")
def single_worker_over(context: Context, backend: Backend, slots: int, plane: Plane) -> None:
    context.world.deploy(backend=backend, workers=1, slots=slots, request_plane=plane)


@given("a {backend:Backend} deployment with 1 worker that takes a second to read a prompt")
def reading_worker(context: Context, backend: Backend) -> None:
    context.world.deploy(backend=backend, workers=1, seconds_to_prefill=READING)


@given("a {backend:Backend} deployment with 1 prefill and 1 decode worker that take a second each, over {plane:Plane}")
@given(
    "a {backend:Backend} deployment with 1 prefill and 1 decode worker that take {seconds:d} seconds each, over"
    " {plane:Plane}"
)
def slow_prefill_decode(context: Context, backend: Backend, plane: Plane, seconds: int = 1) -> None:
    context.world.deploy(
        backend=backend,
        workers=0,
        prefill=1,
        decode=1,
        request_plane=plane,
        seconds_to_prefill=seconds,
        seconds_to_hand_over=seconds,
    )


@given("a {backend:Backend} deployment with 1 prefill and 1 decode worker, over {plane:Plane}")
def plain_prefill_decode(context: Context, backend: Backend, plane: Plane) -> None:
    context.world.deploy(backend=backend, workers=0, prefill=1, decode=1, request_plane=plane)


@given(
    "a {backend:Backend} deployment with 1 worker that serves {slots:d} requests at a time, {speed:d} tokens a second"
    " each"
)
def quick_worker(context: Context, backend: Backend, slots: int, speed: int) -> None:
    context.world.deploy(backend=backend, workers=1, slots=slots, tokens_per_second=speed)


@given("a {backend:Backend} deployment with 1 worker that serves 1 request at a time")
def worker_for_one(context: Context, backend: Backend) -> None:
    context.world.deploy(backend=backend, workers=1, slots=1)


@given("{name:Client} that {ask:Ask} under the same name")
def client_of_same_name(context: Context, name: str, ask: Ask) -> None:
    send_under_same_name(context.world, name, ask)


@given("{name:Client} that {ask:Ask} and has stopped reading")
def client_that_does_not_read(context: Context, name: str, ask: Ask) -> None:
    context.world.send(name, ask)
    stop_reading(context.world, name)


@given("{name:Client} with a link of its own that {ask:Ask}")
def far_client(context: Context, name: str, ask: Ask) -> None:
    context.world.send_from_afar(name, ask)


@when("{name:Client} {departure:Departure} while its answer is being generated")
def client_departs(context: Context, name: str, departure: Departure) -> None:
    context.world.leave(name, departure)


@when("{name:Client} leaves before its first token")
def leaves_before_first_token(context: Context, name: str) -> None:
    leave_before_first_token(context.world, name, at="worker")


@when("{name:Client} leaves while its prompt is being read")
def leaves_in_prefill(context: Context, name: str) -> None:
    leave_before_first_token(context.world, name, at="prefill")


@when("{name:Client} leaves while its request is being handed over")
def leaves_in_hand_over(context: Context, name: str) -> None:
    leave_before_first_token(context.world, name, at="decode")


@when("{name:Client} leaves while it waits for its turn")
def leaves_queue(context: Context, name: str) -> None:
    leave_queue(context.world, name)


@when("{name:Client} leaves and {other:Client} asks at once under the same name")
def leaves_and_asks_again(context: Context, name: str, other: str) -> None:
    context.world.leave(name)
    send_under_same_name(context.world, other, SHORT)


@when("{name:Client} and {other:Client} leave while their answers are being generated")
def both_leave(context: Context, name: str, other: str) -> None:
    context.world.leave(name)
    leave_too(context.world, other)


@when("{name:Client} stops reading while its answer is being generated")
def stops_reading(context: Context, name: str) -> None:
    stop_reading(context.world, name)


@when("{count:d} clients leave as the last token of their answers comes")
def leave_at_the_end(context: Context, count: int) -> None:
    leave_at_last_token(context.world, count)


@when("the link of {name:Client} is cut for {seconds:d} seconds while its answer is being generated")
def link_is_cut_for(context: Context, name: str, seconds: int) -> None:
    cut_off_for(context.world, name, seconds)


@when("the link of {name:Client} is cut while its answer is being generated")
def link_is_cut(context: Context, name: str) -> None:
    cut_off(context.world, name)


@then("within {seconds:d} seconds no worker holds anything for it")
@then("within {seconds:d} seconds no worker holds anything for them")
def all_free(context: Context, seconds: int) -> None:
    expect_all_free(context.world, within=seconds)


@then("exactly 1 cancellation of {asked:Asked} is counted")
def counted_under(context: Context, asked: Mapping[str, str]) -> None:
    expect_counted_once(context.world, asked)


@then("each of them is counted exactly once, as answered or as cancelled")
def one_outcome_each(context: Context) -> None:
    expect_one_outcome_each(context.world)


@then("not one token is generated for {name:Client}")
def nothing_generated(context: Context, name: str) -> None:
    expect_nothing_generated_for(context.world, name)


@then("at most {count:d} tokens are generated for {name:Client}")
def little_generated(context: Context, count: int, name: str) -> None:
    expect_little_generated_for(context.world, name, count)


@then("no worker ever takes up the request of {name:Client}")
def never_begun(context: Context, name: str) -> None:
    expect_never_begun(context.world, name)


@then("each worker serves newcomers within {seconds:d} seconds")
def each_serves(context: Context, seconds: int) -> None:
    expect_each_serves(context.world, within=seconds)
