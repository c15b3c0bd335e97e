"""Others who do not behave: they do not read, they eat the CPU, they start broken."""

from behave import given, register_type, then, when
from behave.runner import Context

from support.checkers import LatencyChecker, NoHungRequestChecker
from support.crowds import (
    GeneratedAheadChecker,
    expect_ended_with_reason,
)
from support.phrases import TYPES
from support.promises import expect_of_load
from support.scenarios import Failure
from support.spec import Backend

register_type(**TYPES)


@given("a {backend:Backend} deployment with {workers:d} workers that serve {slots:d} fast requests at a time each")
def fast_deployment(context: Context, backend: Backend, workers: int, slots: int) -> None:
    fast = {"tokens_per_second": 1000, "blocks": 65_536}
    context.world.deploy(backend=backend, workers=workers, migration_limit=3, slots=slots, **fast)


@when(
    "for {seconds:d} seconds {idle:d} clients that do not read and {slow:d} that read 10 letters a second ask for"
    " {tokens:d} tokens each on top"
)
def slow_readers(context: Context, seconds: int, idle: int, slow: int, tokens: int) -> None:
    asked = {"idle": str(idle), "slow": str(slow), "max_tokens": str(tokens)}
    context.world.strike_under_load([Failure(type="slow_readers", lasts=seconds, parameters=asked)])


@when("for {seconds:d} seconds {each:d} scrapers of each part ask for its numbers and do not read them")
def slow_scrapers(context: Context, seconds: int, each: int) -> None:
    asked = {"each": str(each)}
    context.world.strike_under_load([Failure(type="slow_scrapers", lasts=seconds, parameters=asked)])


@when("for {seconds:d} seconds a neighbour on the same machine eats the CPU under this load")
def noisy_neighbour(context: Context, seconds: int) -> None:
    context.world.strike_under_load([Failure(type="noisy_neighbour", lasts=seconds)])


@when("one more worker is started with {flaw:ModelFlaw} under this load")
def broken_start(context: Context, flaw: str) -> None:
    context.world.strike_under_load([Failure(type="broken_start", parameters={"flaw": flaw})])


@then("for each of the {readers:d} at most {tokens:d} tokens are generated")
def waits_for_readers(context: Context, readers: int, tokens: int) -> None:
    expect_of_load(context.world, GeneratedAheadChecker(readers=readers, at_most=tokens))


@then("half of all answers are complete within {seconds:d} seconds, and none takes longer than {most:d}")
def late_not_lost(context: Context, seconds: int, most: int) -> None:
    half = LatencyChecker(at_most_ms=1000 * seconds, measure="p50_latency_ms")
    longest = LatencyChecker(at_most_ms=1000 * most, measure="max_latency_ms")
    expect_of_load(context.world, half, longest, NoHungRequestChecker())


@then('it ends within {seconds:d} seconds, and whoever started it is told of "{word}"')
def ends_with_reason(context: Context, seconds: int, word: str) -> None:
    expect_ended_with_reason(context.world, naming=word, within=seconds)
