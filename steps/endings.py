"""Components that are to end, or have to: how they take their leave."""

from behave import given, register_type, then
from behave.runner import Context

from support.endings import expect_end, expect_out_of_discovery, expect_untouched
from support.migrations import expect_crowd
from support.phrases import TYPES
from support.spec import Backend

register_type(**TYPES)

OWN, KIT = "backend", "engine-kit"
"""Who serves the engine of a worker: the backend itself, or Dynamo's kit for engines of one's own."""


@given("a {backend:Backend} deployment with {workers:d} of its own workers that allows {limit:Count} migrations")
def own_workers(context: Context, backend: Backend, workers: int, limit: int) -> None:
    context.world.deploy(backend=backend, workers=workers, migration_limit=limit, serving=OWN)


@given(
    "a {backend:Backend} deployment with {workers:d} of its own workers that allows {limit:Count} migrations, with"
    " {grace:d} seconds of grace"
)
def own_workers_with_grace(context: Context, backend: Backend, workers: int, limit: int, grace: int) -> None:
    context.world.deploy(backend=backend, workers=workers, migration_limit=limit, serving=OWN, grace_period=grace)


@given(
    "a {backend:Backend} deployment with {prefill:d} prefill and {decode:d} decode workers of its own that allows"
    " {limit:Count} migrations, with {grace:d} seconds of grace"
)
def own_prefill_decode(context: Context, backend: Backend, prefill: int, decode: int, limit: int, grace: int) -> None:
    shape = {"workers": 0, "prefill": prefill, "decode": decode, "serving": OWN}
    context.world.deploy(backend=backend, migration_limit=limit, grace_period=grace, **shape)


@given("a {backend:Backend} deployment with {workers:d} workers of the engine kit that allows {limit:Count} migrations")
def kit_workers(context: Context, backend: Backend, workers: int, limit: int) -> None:
    context.world.deploy(backend=backend, workers=workers, migration_limit=limit, serving=KIT)


@given(
    "a {backend:Backend} deployment with {workers:d} workers of the engine kit that allows {limit:Count} migrations,"
    " with {grace:d} seconds of grace"
)
def kit_workers_with_grace(context: Context, backend: Backend, workers: int, limit: int, grace: int) -> None:
    context.world.deploy(backend=backend, workers=workers, migration_limit=limit, serving=KIT, grace_period=grace)


@given("a {backend:Backend} deployment with {workers:d} emulated workers that allows {limit:Count} migrations")
def emulated_workers(context: Context, backend: Backend, workers: int, limit: int) -> None:
    context.world.deploy(backend=backend, workers=workers, migration_limit=limit, engine="mocker")


@given(
    "a {backend:Backend} deployment with {workers:d} emulated workers that allows {limit:Count} migrations and drains"
    " them for {seconds:d} second"
)
def hurried_workers(context: Context, backend: Backend, workers: int, limit: int, seconds: int) -> None:
    context.world.deploy(
        backend=backend, workers=workers, migration_limit=limit, engine="mocker", drain_timeout=seconds
    )


@then("within {seconds:d} second it is sent nothing new")
def out_of_discovery(context: Context, seconds: int) -> None:
    expect_out_of_discovery(context.world, within=seconds)


@then("none of them comes to the worker that is to end")
def none_comes(context: Context) -> None:
    expect_untouched(context.world)


@then("it ends within {seconds:d} seconds")
def ends(context: Context, seconds: int) -> None:
    expect_end(context.world, status=None, within=seconds)


@then("it ends well within {seconds:d} seconds")
def ends_well(context: Context, seconds: int) -> None:
    expect_end(context.world, status=0, within=seconds)


@then("it ends as failed within {seconds:d} seconds")
def ends_as_failed(context: Context, seconds: int) -> None:
    expect_end(context.world, status=1, within=seconds)


@then("each of them receives each of the {tokens:d} tokens and the worker ends well within {seconds:d} seconds")
def whole_answers_and_good_end(context: Context, tokens: int, seconds: int) -> None:
    expect_crowd(context.world, tokens)
    expect_end(context.world, status=0, within=seconds)
