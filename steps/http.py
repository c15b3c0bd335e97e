"""What a frontend says to those whom it cannot serve, and by which name a request can be found again."""

from behave import given, register_type, then, when
from behave.runner import Context
from hamcrest import assert_that

from support.contract import (
    OWN_FAILURES,
    expect_in_logs,
    expect_name,
    expect_next_served,
    expect_nothing_in_flight,
    expect_refusals,
    expect_seen_in_use,
    expect_served_again,
    let_in,
    send_flawed,
    send_good,
    send_named,
    set_busy_threshold,
)
from support.counts import REJECTIONS
from support.phrases import TYPES, Ask
from support.promises import expect_count
from support.refusals import Refused, TellsAProgram, completion, flawed
from support.spec import Backend, Plane

register_type(**TYPES)

SMALL = {"blocks": 64, "tokens_per_second": 200}
"""So small that one request of 600 tokens takes more than half of a worker's memory."""


@given("a {backend:Backend} deployment whose clients may send 1 MB")
def bounded_bodies(context: Context, backend: Backend) -> None:
    context.world.deploy(backend=backend, workers=1, environment=(("DYN_HTTP_BODY_LIMIT_MB", "1"),))


@given("a {backend:Backend} deployment with {workers:d} worker that takes nobody in while half of its memory is in use")
@given(
    "a {backend:Backend} deployment with {workers:d} workers that take nobody in while half of their memory is in use"
)
def shedding_workers(context: Context, backend: Backend, workers: int) -> None:
    context.world.deploy(backend=backend, workers=workers, migration_limit=3, busy_decode_blocks=0.5, **SMALL)


@given("a {backend:Backend} deployment with {workers:d} worker that takes everybody in")
def admitting_workers(context: Context, backend: Backend, workers: int) -> None:
    context.world.deploy(backend=backend, workers=workers, **SMALL)


@given("the operator has it take nobody in while half of its memory is in use")
def operator_sets_limit(context: Context) -> None:
    set_busy_threshold(context.world, 0.5)


@given("a {backend:Backend} deployment with 1 worker that takes 1 request and lets 2 wait, over {plane:Plane}")
def capped_worker(context: Context, backend: Backend, plane: Plane) -> None:
    context.world.deploy(backend=backend, workers=1, request_plane=plane, engine_request_limit=1, request_queue_limit=2)


@given("a {backend:Backend} deployment with {workers:d} workers whose logs are structured")
def structured_logs(context: Context, backend: Backend, workers: int) -> None:
    context.world.deploy(backend=backend, workers=workers, environment=(("DYN_LOGGING_JSONL", "true"),))


@given("{name:Client} that is let in and {ask:Ask}")
def client_let_in(context: Context, name: str, ask: Ask) -> None:
    let_in(context.world, name, ask)


@when("a client sends a request that {flaw:Flaw}")
def send_what_nobody_can_answer(context: Context, flaw: str) -> None:
    context.answer = send_flawed(context.world, flaw)


@when("a client sends a good request under a name of its own")
def send_under_a_name(context: Context) -> None:
    context.name, context.answer = send_named(context.world, completion(context.world.deployment.model))


@when("a client sends a request that {flaw:Flaw}, under a name of its own")
def send_flawed_under_a_name(context: Context, flaw: str) -> None:
    context.name, context.answer = send_named(context.world, flawed(flaw, context.world.deployment.model))


@when("{name:Client} has received {tokens:d} tokens")
def has_received(context: Context, name: str, tokens: int) -> None:
    context.world.client(name).wait_for_tokens(tokens)


@when("{name:Client} has its whole answer")
def has_whole_answer(context: Context, name: str) -> None:
    context.world.client(name).finished()


@then("it is refused as {refusal:Refusal} within {seconds:d} second")
@then("it is refused as {refusal:Refusal} within {seconds:d} seconds")
def is_refused(context: Context, refusal: str, seconds: int) -> None:
    assert_that(context.answer, Refused(refusal, within=seconds))


@then("a good request is refused as {refusal:Refusal} within {seconds:d} second")
def good_one_is_refused(context: Context, refusal: str, seconds: int) -> None:
    context.answer = send_good(context.world)
    assert_that(context.answer, Refused(refusal, within=seconds))


@then("these are refused within {seconds:d} second")
def these_are_refused(context: Context, seconds: int) -> None:
    expect_refusals(context.world, [row.as_dict() for row in context.table], within=seconds)


@then('its sender is told of "{words}"')
def sender_is_told(context: Context, words: str) -> None:
    assert words in context.answer.words, f"the sender was told {context.answer.words!r}"


@then("a program can tell what was wrong")
def program_can_tell(context: Context) -> None:
    assert_that(context.answer, TellsAProgram())


@then("no failure of Dynamo's own is counted")
def no_own_failure(context: Context) -> None:
    expect_count(context.world, OWN_FAILURES, 0)


@then("{count:Count} rejection is counted")
@then("exactly {count:Count} rejection is counted")
def rejections_counted(context: Context, count: int) -> None:
    expect_count(context.world, REJECTIONS, count)


@then("the next good request is served within {seconds:d} seconds")
def next_is_served(context: Context, seconds: int) -> None:
    expect_next_served(context.world, within=seconds)


@then("within {seconds:d} seconds good requests are served again")
def served_again(context: Context, seconds: int) -> None:
    expect_served_again(context.world, within=seconds)


@then("its operator sees that more than half of its memory is in use")
def operator_sees_use(context: Context) -> None:
    expect_seen_in_use(context.world, blocks=SMALL["blocks"] // 2)


@then("the next {count:d} good requests are served within {seconds:d} seconds each")
def next_are_served(context: Context, count: int, seconds: int) -> None:
    for number in range(1, count + 1):
        expect_next_served(context.world, within=seconds, name=f"next client {number}")


@then("within {seconds:d} seconds nothing is in flight")
def nothing_in_flight(context: Context, seconds: int) -> None:
    expect_nothing_in_flight(context.world, within=seconds)


@then("the answer bears that name")
def answer_bears_name(context: Context) -> None:
    expect_name(context.answer, context.name)


@then("the log of the frontend has it")
def frontend_has_name(context: Context) -> None:
    expect_in_logs(context.name, [context.world.deployment.frontend], of="the frontend")


@then("the log of one worker has it")
def one_worker_has_name(context: Context) -> None:
    expect_in_logs(context.name, context.world.deployment.workers, of="one worker")


@then("{name:Client} is told that it received {tokens:d} tokens")
def told_completion_tokens(context: Context, name: str, tokens: int) -> None:
    usage = context.world.client(name).finished().usage
    assert usage is not None, f"the {name} was not told its usage"
    assert usage.completion_tokens == tokens, f"the {name} received {tokens} tokens, was told {usage.completion_tokens}"


@then("{name:Client} is told no count")
def told_no_count(context: Context, name: str) -> None:
    record = context.world.client(name).finished()
    assert record.status == "completed", f"the answer of the {name} did not complete: {record.error}"
    assert record.usage is None, f"the {name} did not ask for a count and was told {record.usage}"
