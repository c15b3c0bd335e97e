"""Clients: what they ask for, what they do, what they receive."""

from behave import given, register_type, then, when
from behave.runner import Context
from hamcrest import assert_that

from support.matchers import ended_with_error, no_gap_longer_than
from support.phrases import TYPES, Ask

register_type(**TYPES)


@given("{name:Client} that {ask:Ask}")
def client(context: Context, name: str, ask: Ask) -> None:
    context.world.send(name, ask)


@when("{name:Client} leaves while its answer is being generated")
def client_leaves(context: Context, name: str) -> None:
    context.world.leave(name)


@then("{name:Client} receives each of the {tokens:d} tokens exactly once")
def receives_each_token_once(context: Context, name: str, tokens: int) -> None:
    assert_that(context.world.client(name).finished(), context.world.whole_answer(tokens))


@then("no token is later than {seconds:d} seconds")
def no_token_late(context: Context, seconds: int) -> None:
    for client in context.world.clients.values():
        assert_that(client.record, no_gap_longer_than(seconds))


@then("{name:Client} is told of an error within {seconds:d} seconds")
def told_of_an_error(context: Context, name: str, seconds: int) -> None:
    record = context.world.ended_after_fault(name, within=seconds)
    assert_that(record, ended_with_error())


@then("a newcomer is served within {seconds:d} seconds")
def newcomer_is_served(context: Context, seconds: int) -> None:
    context.world.expect_served("newcomer", within=seconds, beside="neighbour")


@then("the server counts {tokens:d} prompt tokens for {name:Client}")
def counts_prompt_tokens(context: Context, tokens: int, name: str) -> None:
    usage = context.world.client(name).finished().usage
    assert usage is not None, f"{name} was not told its usage"
    assert usage.prompt_tokens == tokens, f"{name} sent {tokens} prompt tokens and was told {usage.prompt_tokens}"
