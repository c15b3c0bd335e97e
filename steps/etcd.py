"""etcd under Dynamo: how many members it has, what they say, and what becomes of Dynamo when it is in trouble."""

from behave import given, register_type, then
from behave.runner import Context

from support import discovery
from support.checkers import (
    AnsweredMeanwhileChecker,
    ListedChecker,
    NewLeaderChecker,
    NoOldNewsChecker,
    OneLeaderChecker,
    PauseChecker,
    ServedAgainChecker,
)
from support.phrases import TYPES
from support.promises import expect_of_load
from support.spec import Backend, Plane

register_type(**TYPES)


@given("a {backend:Backend} deployment with {workers:d} workers and {members:d} etcd members")
@given("a {backend:Backend} deployment with {workers:d} workers and {members:d} etcd member")
def deployment_on_etcd(context: Context, backend: Backend, workers: int, members: int) -> None:
    context.world.deploy(backend=backend, workers=workers, migration_limit=3, etcd_members=members)


@given(
    "a {backend:Backend} deployment with {workers:d} workers and {members:d} etcd members, where what ends is started"
    " again"
)
@given(
    "a {backend:Backend} deployment with {workers:d} workers and {members:d} etcd member, where what ends is started"
    " again"
)
def restarting_deployment_on_etcd(context: Context, backend: Backend, workers: int, members: int) -> None:
    context.world.deploy(backend=backend, workers=workers, migration_limit=3, etcd_members=members, restart="always")


@given(
    "a {backend:Backend} deployment with {frontends:d} frontends, {workers:d} workers and {members:d} etcd members,"
    " where what ends is started again"
)
def restarting_frontends_on_etcd(
    context: Context, backend: Backend, frontends: int, workers: int, members: int
) -> None:
    context.world.deploy(
        backend=backend,
        frontends=frontends,
        workers=workers,
        migration_limit=3,
        etcd_members=members,
        restart="always",
    )


@given("a {backend:Backend} deployment with {frontends:d} frontends, {workers:d} workers and {members:d} etcd member")
def frontends_on_etcd(context: Context, backend: Backend, frontends: int, workers: int, members: int) -> None:
    context.world.deploy(backend=backend, frontends=frontends, workers=workers, migration_limit=3, etcd_members=members)


@given(
    "a {backend:Backend} deployment with {workers:d} workers and {members:d} etcd members that have space for"
    " {megabytes:d} MB"
)
def deployment_on_small_etcd(context: Context, backend: Backend, workers: int, members: int, megabytes: int) -> None:
    context.world.deploy(
        backend=backend, workers=workers, migration_limit=3, etcd_members=members, etcd_quota_mb=megabytes
    )


@given(
    "a {backend:Backend} deployment with {frontends:d} frontends and {workers:d} workers that get requests by memory,"
    " over {plane:Plane}"
)
def frontends_by_memory(context: Context, backend: Backend, frontends: int, workers: int, plane: Plane) -> None:
    context.world.deploy(
        backend=backend,
        frontends=frontends,
        workers=workers,
        migration_limit=3,
        router_mode="kv",
        request_plane=plane,
    )


@given("the etcd member that Dynamo leans on most does not lead")
def busiest_follows(context: Context) -> None:
    discovery.let_busiest_follow(context.world)


@then("another etcd member leads within {seconds:d} seconds")
def another_leads(context: Context, seconds: int) -> None:
    expect_of_load(context.world, NewLeaderChecker(within=seconds), OneLeaderChecker())


@then("at no time do two etcd members lead")
def one_leads(context: Context) -> None:
    expect_of_load(context.world, OneLeaderChecker())


@then("the etcd members agree within {seconds:d} seconds")
def members_agree(context: Context, seconds: int) -> None:
    discovery.expect_agreement(context.world, within=seconds)


@then("the one that is cut off gives nobody old news")
def no_old_news(context: Context) -> None:
    expect_of_load(context.world, NoOldNewsChecker())


@then("no pause between answers is longer than {seconds:d} seconds")
def no_long_pause(context: Context, seconds: int) -> None:
    expect_of_load(context.world, PauseChecker(within=seconds))


@then("the frontend lists {workers:d} worker within {seconds:d} seconds")
def lists(context: Context, workers: int, seconds: int) -> None:
    expect_of_load(context.world, ListedChecker(workers=workers, within=seconds))


@then("the frontend lists {workers:d} workers within {seconds:d} seconds of the failure's end")
def lists_again(context: Context, workers: int, seconds: int) -> None:
    discovery.go_on_until_listed(context.world, workers, within=seconds)
    expect_of_load(context.world, ListedChecker(workers=workers, within=seconds, healed=True))


@then("every request is answered in full again within {seconds:d} seconds of the failure's end")
def served_again(context: Context, seconds: int) -> None:
    discovery.go_on_until_served(context.world, within=seconds)
    expect_of_load(context.world, ServedAgainChecker(within=seconds))


@then("every answer that was asked for in the meantime is given in full")
def answers_meanwhile(context: Context) -> None:
    expect_of_load(context.world, AnsweredMeanwhileChecker())


@then("the frontend has been started anew within {seconds:d} seconds of the failure's end")
def frontend_anew(context: Context, seconds: int) -> None:
    discovery.await_new_start(context.world, "frontend-0", within=seconds)


@then("the frontend and every worker serve on")
def whole(context: Context) -> None:
    discovery.expect_whole(context.world)


@then("every worker serves on")
def workers_stand(context: Context) -> None:
    discovery.expect_standing_workers(context.world)


@then("what of Dynamo has ended says that it lost etcd")
def says_why(context: Context) -> None:
    discovery.expect_reasons(context.world)


@then("the frontend and every worker end within {seconds:d} seconds and say that they lost etcd")
def all_end(context: Context, seconds: int) -> None:
    discovery.expect_all_ended(context.world, within=seconds)


@then("the new worker answers requests within {seconds:d} seconds of the failure's end")
def newcomer_serves(context: Context, seconds: int) -> None:
    discovery.expect_newcomer(context.world, within=seconds)


@then("the new worker is not asked before the failure's end")
def newcomer_waits(context: Context) -> None:
    discovery.expect_newcomer_unknown(context.world)
