"""What is under test."""

from behave import given, register_type
from behave.runner import Context

from support.phrases import TYPES
from support.spec import Backend, Plane

register_type(**TYPES)


@given("a {backend:Backend} deployment with {workers:d} workers that allows {limit:Count} migrations")
def deployment(context: Context, backend: Backend, workers: int, limit: int) -> None:
    context.world.deploy(backend=backend, workers=workers, migration_limit=limit)


@given(
    "a {backend:Backend} deployment with {workers:d} workers that allows {limit:Count} migrations, over {plane:Plane}"
)
def deployment_over(context: Context, backend: Backend, workers: int, limit: int, plane: Plane) -> None:
    context.world.deploy(backend=backend, workers=workers, migration_limit=limit, request_plane=plane)


@given(
    "a {backend:Backend} deployment with 1 worker that allows {limit:Count} migrations, where what ends is started"
    " again"
)
@given(
    "a {backend:Backend} deployment with {workers:d} workers that allows {limit:Count} migrations, where what ends is"
    " started again"
)
def restarting_deployment(context: Context, backend: Backend, limit: int, workers: int = 1) -> None:
    context.world.deploy(backend=backend, workers=workers, migration_limit=limit, restart="always")


@given(
    "a {backend:Backend} deployment with {prefill:d} prefill and {decode:d} decode workers that allows {limit:Count}"
    " migrations"
)
def prefill_decode(context: Context, backend: Backend, prefill: int, decode: int, limit: int) -> None:
    context.world.deploy(backend=backend, workers=0, prefill=prefill, decode=decode, migration_limit=limit)


@given(
    "a {backend:Backend} deployment with {workers:d} workers of {blocks:d} blocks that is busy when half of them are in"
    " use"
)
def limited_deployment(context: Context, backend: Backend, workers: int, blocks: int) -> None:
    context.world.deploy(
        backend=backend, workers=workers, blocks=blocks, slots=blocks, tokens_per_second=50, busy_decode_blocks=0.5
    )


@given(
    "a {backend:Backend} deployment of Dynamo {version:Version} with {workers:d} workers that allows {limit:Count}"
    " migrations"
)
def deployment_of_version(context: Context, backend: Backend, version: str, workers: int, limit: int) -> None:
    context.world.deploy(backend=backend, dynamo=version, workers=workers, migration_limit=limit)


@given(
    "a {backend:Backend} deployment with {workers:d} workers that allows {limit:Count} migrations, where workers are"
    " tested each second"
)
def tested_deployment(context: Context, backend: Backend, workers: int, limit: int) -> None:
    each_second = (("DYN_CANARY_WAIT_TIME", "1"),)
    context.world.deploy(
        backend=backend, workers=workers, migration_limit=limit, canary_health_checks=True, environment=each_second
    )


@given("a {backend:Backend} deployment with 1 worker that serves {slots:d} requests at a time")
def single_worker(context: Context, backend: Backend, slots: int) -> None:
    context.world.deploy(backend=backend, workers=1, slots=slots)


@given("a {backend:Backend} deployment with 1 worker whose scheduler serves {slots:d} request at a time")
def scheduling_worker(context: Context, backend: Backend, slots: int) -> None:
    context.world.deploy(backend=backend, workers=1, slots=slots, engine="mocker")
