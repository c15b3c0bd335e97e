"""Nights in which one thing after the other fails."""

from behave import register_type, then, when
from behave.runner import Context

from support.nights import EveryRecoveryChecker, night
from support.phrases import TYPES
from support.promises import expect_of_load, expect_roster

register_type(**TYPES)


@when("a worker fails every {seconds:d} seconds, {times:d} times in all, under this load")
def night_of_failures(context: Context, seconds: int, times: int) -> None:
    context.world.strike_under_load(night(every=seconds, times=times))


@then("every failure is recovered from within {seconds:d} seconds")
def every_failure_recovered(context: Context, seconds: int) -> None:
    context.world.recovered(within=seconds)
    expect_of_load(context.world, EveryRecoveryChecker(within=seconds))


@then("within {seconds:d} seconds the frontend knows each worker once")
def frontend_knows_each_once(context: Context, seconds: int) -> None:
    expect_roster(context.world, within=seconds)
