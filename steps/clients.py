"""Clients: what they ask for, what they do, what they receive."""

from behave import given, register_type, then, when
from behave.runner import Context
from hamcrest import assert_that

from support.matchers import ended_with_error, no_gap_longer_than
from support.phrases import TYPES, Ask
from support.promises import expect_served, whole_answer

register_type(**TYPES)


@given("{name:Client} that {ask:Ask}")
def client(context: Context, name: str, ask: Ask) -> None:
    context.world.send(name, ask)


@given("{name:Client} that waits for its turn")
def waiting_client(context: Context, name: str) -> None:
    context.world.queue(name, Ask(tokens=5, chat=False, stream=True))


@when("{name:Client} leaves while its answer is being generated")
def client_leaves(context: Context, name: str) -> None:
    context.world.leave(name)


@then("{name:Client} receives each of the {tokens:d} tokens exactly once")
def receives_each_token_once(context: Context, name: str, tokens: int) -> None:
    assert_that(context.world.client(name).finished(), whole_answer(context.world, tokens))


@then("none of its tokens comes more than {seconds:d} seconds after the one before")
def no_token_late(context: Context, seconds: int) -> None:
    for name, client in context.world.clients.items():
        record = client.finished()
        context.world.note(f"longest gap between tokens of the {name}", f"{max(record.gaps, default=0):.3f} s")
        assert_that(record, no_gap_longer_than(seconds))


@then("{name:Client} is told of an error within {seconds:d} seconds")
def told_of_an_error(context: Context, name: str, seconds: int) -> None:
    record = context.world.client(name).finished(within=seconds)
    assert_that(record, ended_with_error(within=seconds, since=context.world.struck_at))


@then("{name:Client} is served within {seconds:d} seconds")
def is_served(context: Context, name: str, seconds: int) -> None:
    expect_served(context.world, name, within=seconds)


@then("{name:Client} is told that it sent {tokens:d} tokens")
def told_prompt_tokens(context: Context, name: str, tokens: int) -> None:
    usage = context.world.client(name).finished().usage
    assert usage is not None, f"the {name} was not told its usage"
    assert usage.prompt_tokens == tokens, f"the {name} sent {tokens} tokens and was told {usage.prompt_tokens}"
