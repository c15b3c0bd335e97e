"""GPUs, and what the injection service does to them."""

from behave import given, then
from behave.runner import Context

from support.checkers import RisingLatencyChecker
from support.promises import expect_of_load


@then("each time its answers take longer than the time before")
def later_and_later(context: Context) -> None:
    expect_of_load(context.world, RisingLatencyChecker())


@given("a GPU monitor that reads the kernel's log")
def monitor(context: Context) -> None:
    context.world.monitor_gpus()


@then("the GPU monitor reads XID {code:d}")
def monitor_reads(context: Context, code: int) -> None:
    context.world.note("the GPU monitor read", context.world.monitor.expect_xid(code))
