"""What is done to a deployment on purpose."""

from behave import register_type, when
from behave.runner import Context

from support.faults.kill import Kill
from support.phrases import TYPES

register_type(**TYPES)


@when("the worker that serves {name:Client} is killed after {tokens:d} tokens")
def kill_serving_worker(context: Context, name: str, tokens: int) -> None:
    context.world.client(name).wait_for_tokens(tokens)
    context.world.strike_worker_of(name, Kill)
