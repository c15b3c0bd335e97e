"""Many clients at once: how they ask, what happens in the meantime, and what they see."""

from behave import given, register_type, then, when
from behave.runner import Context

from support.checkers import (
    LatencyChecker,
    LogChecker,
    MetricsConsistencyChecker,
    MigrationChecker,
    NewcomersHearChecker,
    NoHungRequestChecker,
    NoLeakChecker,
    NoSilenceChecker,
    NoTokenLostChecker,
    OnlyRefusedChecker,
    PeakMemoryChecker,
    RecoveryTimeChecker,
    RejectionChecker,
    StruckAnswersChecker,
    SuccessRateChecker,
)
from support.deeds import Deed, failures_of
from support.faults.overload import CROWD, TOO_LONG
from support.phrases import TYPES
from support.promises import expect_of_load
from support.scenarios import Failure, Load

register_type(**TYPES)


@given("{rate:d} requests a second for {tokens:d} tokens each")
def requests_a_second(context: Context, rate: int, tokens: int) -> None:
    context.world.begin_load(Load(rate=rate, max_tokens=tokens))


@given("{clients:d} clients that ask for {tokens:d} tokens again and again")
def clients_again_and_again(context: Context, clients: int, tokens: int) -> None:
    context.world.begin_load(Load(clients=clients, max_tokens=tokens))


@when("{whom:Whom} {deed:Deed} under this load")
def strike_under_load(context: Context, whom: str, deed: Deed) -> None:
    context.world.strike_under_load([deed.to(whom)])


@when("this happens under the load")
def strikes_under_load(context: Context) -> None:
    context.world.strike_under_load(failures_of(row.as_dict() for row in context.table))


@when("all workers are upgraded one by one to Dynamo {version:Version} under this load")
def upgrade_under_load(context: Context, version: str) -> None:
    upgrade = Failure(type="rolling_upgrade", target="all workers", parameters={"dynamo": version})
    context.world.strike_under_load([upgrade])


@when("{rate:d} more requests a second for {tokens:d} tokens each come on top")
def overload_by_rate(context: Context, rate: int, tokens: int) -> None:
    asked = {"rate": str(rate), "max_tokens": str(tokens)}
    context.world.strike_under_load([Failure(type=CROWD, parameters=asked)])


@when("{count:d} more clients ask for {tokens:d} tokens each on top")
def overload(context: Context, count: int, tokens: int) -> None:
    asked = {"clients": str(count), "max_tokens": str(tokens)}
    context.world.strike_under_load([Failure(type=CROWD, parameters=asked)])


@when("{clients:d} clients ask for {tokens:d} tokens each, {times:d} times in a row")
def crowd(context: Context, clients: int, tokens: int, times: int) -> None:
    context.world.begin_load(Load(clients=clients, max_tokens=tokens, requests_per_client=times))


@when("other clients send prompts that are too long for the model")
def token_overflow(context: Context) -> None:
    context.world.strike_under_load([Failure(type=TOO_LONG)])


@then("every request is answered in full")
def all_answered(context: Context) -> None:
    expect_of_load(context.world, SuccessRateChecker())


@then("every request that was being answered when it happened is answered in full")
def running_answered(context: Context) -> None:
    expect_of_load(context.world, StruckAnswersChecker())


@then("no token is lost or repeated")
def no_token_lost(context: Context) -> None:
    expect_of_load(context.world, NoTokenLostChecker())


@then("every client hears within {seconds:d} seconds what becomes of its request")
def everybody_hears(context: Context, seconds: int) -> None:
    expect_of_load(context.world, NoHungRequestChecker(), NoSilenceChecker(within=seconds))


@then("whoever comes a second later hears within {seconds:d} seconds what becomes of its request")
def newcomers_hear(context: Context, seconds: int) -> None:
    expect_of_load(context.world, NewcomersHearChecker(within=seconds))


@then("no request hangs")
def no_request_hangs(context: Context) -> None:
    expect_of_load(context.world, NoHungRequestChecker())


@then("every request is answered as before within {seconds:d} seconds")
def recovers(context: Context, seconds: int) -> None:
    context.world.recovered(within=seconds)
    expect_of_load(context.world, RecoveryTimeChecker(within=seconds))


@then("99 of 100 answers are complete within {seconds:d} seconds")
def answers_in_time(context: Context, seconds: int) -> None:
    expect_of_load(context.world, LatencyChecker(at_most_ms=1000 * seconds))


@then("at least {count:d} running request is moved to another worker")
def requests_moved(context: Context, count: int) -> None:
    expect_of_load(context.world, MigrationChecker(at_least=count))


@then("requests are turned away while it lasts, and not before or after")
def turned_away(context: Context) -> None:
    expect_of_load(context.world, RejectionChecker())


@then("whoever is turned away hears so within {milliseconds:d} milliseconds")
def turned_away_at_once(context: Context, milliseconds: int) -> None:
    expect_of_load(context.world, LatencyChecker(at_most_ms=milliseconds, measure="p99_rejected_ms"))


@then("whoever comes on top has a whole answer as well")
def crowd_answered(context: Context) -> None:
    expect_of_load(context.world, SuccessRateChecker(), NoTokenLostChecker(), beside=CROWD)


@then("whoever comes on top has a whole answer, or is turned away")
def crowd_answered_or_turned_away(context: Context) -> None:
    expect_of_load(context.world, OnlyRefusedChecker(), NoTokenLostChecker(), beside=CROWD)


@then("every prompt that is too long is refused")
def too_long_ones_refused(context: Context) -> None:
    expect_of_load(context.world, OnlyRefusedChecker(statuses=(400,), all_of_them=True), beside=TOO_LONG)


@then("99 of 100 accepted answers of those who asked before are complete within {seconds:d} second")
@then("99 of 100 accepted answers are complete within {seconds:d} seconds")
def accepted_in_time(context: Context, seconds: int) -> None:
    expect_of_load(context.world, LatencyChecker(at_most_ms=1000 * seconds), NoHungRequestChecker())


@then("what Dynamo counts is what the clients saw")
def counts_agree(context: Context) -> None:
    expect_of_load(context.world, MetricsConsistencyChecker())


@then("no part of the deployment needs more than {megabytes:d} MB more memory meanwhile")
def memory_is_bounded(context: Context, megabytes: int) -> None:
    expect_of_load(context.world, PeakMemoryChecker(at_most_mb=megabytes))


@then("nothing piles up in the deployment")
def nothing_piles_up(context: Context) -> None:
    expect_of_load(context.world, NoLeakChecker(), LogChecker())
