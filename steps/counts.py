"""What Dynamo says of itself: its counters, and what its workers work on."""

from behave import register_type, then
from behave.runner import Context

from support.counts import frontend_cancellations, migrations, worker_cancellations
from support.phrases import TYPES

register_type(**TYPES)


@then("exactly {count:d} migration of a running request is counted")
def migrations_counted(context: Context, count: int) -> None:
    context.world.expect_count(
        "migrations of running requests", lambda scrape: migrations(scrape, "ongoing_request"), count
    )
    context.world.expect_count("migrations of any kind", migrations, count)


@then("no migration is counted")
def no_migration_counted(context: Context) -> None:
    context.world.expect_count("migrations of any kind", migrations, 0)


@then("its worker stops working on it within {seconds:d} seconds")
def worker_stops(context: Context, seconds: int) -> None:
    context.world.expect_abandoned(within=seconds)


@then("exactly {count:d} cancellation is counted")
def cancellations_counted(context: Context, count: int) -> None:
    context.world.expect_count("cancellations at the frontend", frontend_cancellations, count)
    context.world.note("cancellations that the workers counted", context.world.counted(worker_cancellations))
