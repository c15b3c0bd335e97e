"""Other ways to ask than for chats and completions: responses, Anthropic's messages, KServe's inferences."""

from behave import given, register_type, then
from behave.runner import Context

from support.cancellations import expect_counted_as_cancelled, expect_not_generated_to_the_end
from support.phrases import TYPES
from support.spec import Backend

register_type(**TYPES)


@given("a {backend:Backend} deployment with 1 worker that serves messages as well")
def deployment_with_messages(context: Context, backend: Backend) -> None:
    context.world.deploy(backend=backend, workers=1, anthropic_messages=True)


@given("a {backend:Backend} deployment with 1 worker that serves inferences at {speed:d} tokens a second")
def deployment_of_kserve(context: Context, backend: Backend, speed: int) -> None:
    context.world.deploy(backend=backend, workers=1, kserve=True, tokens_per_second=speed)


@then("the answer of {name:Client} is not generated to its end")
def not_generated_to_the_end(context: Context, name: str) -> None:
    expect_not_generated_to_the_end(context.world, name)


@then("its request is counted as cancelled and as nothing else")
def counted_as_cancelled(context: Context) -> None:
    expect_counted_as_cancelled(context.world)
