"""What Dynamo says of itself: its counters, and what its workers work on."""

from behave import register_type, then
from behave.runner import Context

from support.counts import CANCELLATIONS, MIGRATIONS, ONGOING_MIGRATIONS, WORKER_CANCELLATIONS
from support.phrases import TYPES
from support.promises import expect_abandoned, expect_count

register_type(**TYPES)


@then("exactly {count:d} migration of a running request is counted")
def migrations_counted(context: Context, count: int) -> None:
    expect_count(context.world, ONGOING_MIGRATIONS, count)
    expect_count(context.world, MIGRATIONS, count)


@then("no migration is counted")
def no_migration_counted(context: Context) -> None:
    expect_count(context.world, MIGRATIONS, 0)


@then("its worker stops generating within {seconds:d} seconds")
def worker_stops(context: Context, seconds: int) -> None:
    expect_abandoned(context.world, within=seconds)


@then("{count:Count} cancellation is counted")
@then("exactly {count:d} cancellation is counted")
@then("exactly {count:d} cancellations are counted")
def cancellations_counted(context: Context, count: int) -> None:
    expect_count(context.world, CANCELLATIONS, count)
    context.world.note("cancellations that the workers counted", context.world.counted(WORKER_CANCELLATIONS))
