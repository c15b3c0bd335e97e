# behave has no types:
# mypy: disable-error-code="untyped-decorator"
"""Steps that pass, fail, err, skip, wait and leave evidence."""

from typing import Any

from allure_commons._allure import step
from behave import given, then, when

from support.errors import DeploymentError, FaultError, TooBusy, WrongAnswer
from support.report.evidence import attach
from support.waiting import eventually


@given("a deployment")
@when("a request is sent")
def nothing(context: Any) -> None:
    pass


@then("all is well")
def well(context: Any) -> None:
    print("a line on stdout")


@then("it lost tokens {first:d} to {last:d}")
def lost(context: Any, first: int, last: int) -> None:
    print("a line on stdout")
    raise AssertionError(f"lost tokens {first}-{last}; the stream ended after 240 ms without a finish reason")


@then("an answer is wrong")
def wrong(context: Any) -> None:
    raise WrongAnswer("of 600 tokens 2 were lost")


@then("the machine is too busy to tell")
def busy(context: Any) -> None:
    raise TooBusy("this machine is too busy to tell how long answers take")


@when("the fault does not happen")
def no_fault(context: Any) -> None:
    raise FaultError("vllm-worker-0 is still running 2 s after SIGKILL: heal it with ./specs cleanup")


@when("a part of it ends")
def ends(context: Any) -> None:
    raise DeploymentError("frontend-0 ended (with 0) and is not running")


@when("the clean-up is bound to fail")
def bad_cleanup(context: Any) -> None:
    def take_back() -> None:
        raise FaultError("the partition is still there")

    context.add_cleanup(take_back)


@when("it turns out to be impossible")
def impossible(context: Any) -> None:
    context.scenario.skip("needs etcd 3.6: this machine has 3.5.1")


@when("it leaves evidence")
def evidence(context: Any) -> None:
    with step("asking the worker"):
        attach("answer", '{"slots": 16}', "json")
    context.attach("text/plain", b"attached by behave")


@when("a long wait is needed")
def long_wait(context: Any) -> None:
    looks = iter(range(1000))
    eventually(lambda: next(looks) > 170, within=10, describe="the frontend lists 2 workers")
