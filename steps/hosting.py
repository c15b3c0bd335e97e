"""What only a cluster does: frontends behind one address, budgets, and an API server that can be away."""

from behave import given, register_type, when
from behave.runner import Context

from support.deeds import Deed
from support.phrases import TYPES
from support.scenarios import Failure
from support.spec import Backend

register_type(**TYPES)


@given("a {backend:Backend} deployment with {frontends:d} frontends behind one address and {workers:d} workers")
def frontends_behind_one_address(context: Context, backend: Backend, frontends: int, workers: int) -> None:
    context.world.deploy(
        backend=backend, frontends=frontends, workers=workers, behind_one_address=True, migration_limit=3
    )


@given("{count:d} worker that must be there whatever is evicted")
def budget(context: Context, count: int) -> None:
    context.world.deployment.hosting().keep("worker", count)


@when("the cluster's API server is away for {seconds:d} seconds under this load")
def api_away(context: Context, seconds: int) -> None:
    context.world.strike_under_load([Failure(type="api_away", target="the frontend", lasts=seconds)])


@when("a node that carries workers {deed:Deed} under this load")
def strike_node(context: Context, deed: Deed) -> None:
    context.world.strike_under_load([deed.to("every worker")])


@when("all workers are upgraded one by one to {flaw:Upgrade} under this load")
def failing_upgrade(context: Context, flaw: str) -> None:
    failure = Failure(type="failing_rollout", target="one worker", parameters={"flaw": flaw})
    context.world.strike_under_load([failure])
