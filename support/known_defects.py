"""Known defects of Dynamo: specified as promised, expected to fail, and missed when they pass.

A scenario tagged `@known_defect` says why at the end of its description, after "Known defect:". One that may meet a
defect by chance (`support.chance_defects`) may fail because of that, and may pass.
"""

from __future__ import annotations

from typing import Any

from behave.model_type import Status

from support import chance_defects
from support.errors import DeploymentError, TooBusy, UsageError, WrongAnswer
from support.report.scenario_runs import Runner, Scenario, run_of
from support.waiting import scaled

TAG = "known_defect"
MARK = "Known defect:"
GONE = "The defect is gone"


def expect_known_defects(feature: Any) -> None:
    """Turn the verdicts of the feature's scenarios with known defects; for the before_feature hook.

    One that breaks its promise, which is its last step, gets behave's status `xfailed` and does not fail the run. One
    that fails before, or keeps it, fails. One that ends in an error (the environment, a fault, a hook) stays an error:
    nothing was learnt about the defect. Of a defect that is met by chance see `_by_dynamo`. Where deadlines are longer
    than promised (`-D timeout_scale`), one that keeps its promise passes: what is only late is not seen there.
    UsageError for a `@known_defect` without a reason.
    """
    for scenario in feature.walk_scenarios():
        if is_known_defect(scenario):
            reason_of(scenario)
            run_of(scenario).judge(_judge)
        elif chance_defects.TAGS & set(scenario.effective_tags):
            run_of(scenario).judge(_judge_by_chance)


def is_known_defect(scenario: Scenario) -> bool:
    """Tagged as one, by itself, its examples, rule or feature."""
    return TAG in scenario.effective_tags


def reason_of(scenario: Scenario) -> str:
    """Why the scenario is expected to fail; UsageError when it does not say."""
    if excuse := run_of(scenario).excuse:
        return excuse
    _, mark, reason = "\n".join(scenario.description).partition(MARK)
    if mark and reason.strip():
        return " ".join(reason.split())
    raise UsageError(
        f'{scenario.location}: "{scenario.name}" is tagged @{TAG} without a reason: '
        f'add a line "{MARK} ..." below its name, or remove the tag'
    )


def _judge(scenario: Scenario, runner: Runner) -> bool:
    if scenario.all_steps and _failed_last(scenario):
        _expected(scenario, runner)
        return False
    if scenario.status is Status.passed and scaled(1) <= 1:
        message = f'{GONE}: remove @{TAG} from "{scenario.name}", {scenario.location} ({reason_of(scenario)})'
        scenario.exception = AssertionError(message)
        scenario.error_message = message
        scenario.set_status(Status.failed)
        return True
    return _judge_by_chance(scenario, runner)  # it may have met another one before


def _judge_by_chance(scenario: Scenario, runner: Runner) -> bool:
    run = run_of(scenario)
    seen = run.evidence if _by_dynamo(scenario) else None
    if seen and (defect := chance_defects.met(scenario.effective_tags, seen)):
        run.excuse = defect.what
        _expected(scenario, runner)
    return bool(scenario.status.has_failed())


def _by_dynamo(scenario: Scenario) -> bool:
    """It broke a promise, however late that was told, or a part of it ended under a step. Errors of faults and hooks
    tell nothing of Dynamo; a wrong answer tells of more than what ends or waits."""
    if any(isinstance(step.exception, WrongAnswer) for step in scenario.all_steps):
        return False
    told = any(isinstance(step.exception, (DeploymentError, TooBusy)) for step in scenario.all_steps)
    return scenario.status is Status.failed or (scenario.status is Status.error and told)


def _failed_last(scenario: Scenario) -> bool:
    """Only the last step states the promise that is known to be broken; those before it must hold.

    A machine that is too busy to tell by how much it is broken changes nothing.
    """
    last = list(scenario.all_steps)[-1]
    if scenario.status is Status.error:
        return isinstance(last.exception, TooBusy)
    return bool(scenario.status is Status.failed and last.status is Status.failed)


def _expected(scenario: Scenario, runner: Runner) -> None:
    for step in scenario.all_steps:
        if step.status in (Status.failed, Status.error):
            step.status = Status.xfailed
    scenario.set_status(Status.xfailed)
    _let_summary_count_it(runner)


def _let_summary_count_it(runner: Runner) -> None:
    # behave 1.3.3 reserves the status xfailed, but its summary has no counter of that name and ends with a KeyError.
    for reporter in runner.config.reporters:
        for counters in ("scenario_summary", "step_summary"):
            getattr(reporter, counters, {}).setdefault(Status.xfailed.name, 0)
