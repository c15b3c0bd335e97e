"""What is done to a deployment on purpose."""

from collections.abc import Callable

from behave import register_type, when
from behave.runner import Context

from support.deeds import Deed
from support.deployment import Component
from support.faults import Fault
from support.phrases import TYPES
from support.victims import victims

register_type(**TYPES)


@when("the worker that serves {name:Client} {blow:Blow} after {tokens:d} tokens")
def strike_serving_worker(context: Context, name: str, blow: Callable[[Component], Fault], tokens: int) -> None:
    context.world.client(name).wait_for_tokens(tokens)
    context.world.strike_worker_of(name, blow)


@when("{whom:Whom} {blow:Blow}")
def strike(context: Context, whom: str, blow: Callable[[Component], Fault]) -> None:
    context.world.journal.inject(*(blow(victim) for victim in victims(context.world.deployment, whom)))


@when("{whom:Whom} {blow:Blow} while the answer of {name:Client} is being generated")
def strike_meanwhile(context: Context, whom: str, blow: Callable[[Component], Fault], name: str) -> None:
    context.world.client(name).wait_for_tokens(1)
    strike(context, whom, blow)


@when("{whom:Whom} {deed:Deed}")
def strike_for_a_while(context: Context, whom: str, deed: Deed) -> None:
    context.world.strike(deed.to(whom))
