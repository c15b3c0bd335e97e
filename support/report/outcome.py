"""How a scenario ended, in words for people: the one reading of behave's results that every output shares."""

from __future__ import annotations

import re
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import behave
from behave.model_type import Status

from support.errors import SpecsError
from support.known_defects import reason_of
from support.report.scenario_runs import Scenario, lineage

Kind = Literal["passed", "failed", "broken", "skipped", "known_defect", "not_run"]

KNOWN_DEFECT = "Known defect of Dynamo, as expected"
_BEHAVE = str(Path(behave.__file__).parent)
_HOOK_ERROR = re.compile(r"^HOOK-ERROR in (\w+)(?:\(tag=(\S+)\))?: ", re.MULTILINE)
_CLEANUP_ERROR = re.compile(r"^CLEANUP-ERROR in (.+)$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One scenario's end.

    failed: Dynamo broke a promise. broken: the environment, a fault, a hook or a clean-up did not work.
    skipped: not possible here. known_defect: failed as expected. not_run: the run ended before.
    """

    kind: Kind
    message: str = ""
    """Sentences; empty when it passed."""
    trace: str = ""
    step: str = ""
    """The step in which it happened, with its keyword; empty when it was none."""


def outcome_of(scenario: Scenario) -> Outcome:
    """Read the outcome from a scenario whose status is final."""
    status = scenario.status
    if status is Status.passed:
        return Outcome(kind="passed")
    if status is Status.skipped:
        return Outcome(kind="skipped", message=scenario.skip_reason or "skipped without a reason")
    if status is Status.xfailed:
        seen = _of_step(scenario)
        message = f"{KNOWN_DEFECT}: {reason_of(scenario)} | {seen.message}"
        return Outcome(kind="known_defect", message=message, trace=seen.trace, step=seen.step)
    if status.is_hook_error() or scenario.hook_failed:
        return _around_steps(scenario)
    if status.has_failed():
        return _of_step(scenario)
    return _never_run(scenario)


def outcome_of_step(step: Any) -> Outcome:
    """Read the outcome from a step; one that was not reached is skipped."""
    if not (step.status.has_failed() or step.status is Status.xfailed):
        return Outcome(kind="passed" if step.status.is_passed() else "skipped")
    text = f"{step.keyword} {step.name}"
    if step.status.is_undefined():
        return Outcome(kind="broken", message=f"no step definition for: {text}", step=text)
    exception = step.exception
    kind: Kind = "broken" if step.status.is_error() else "failed"
    message = sentence(exception) if exception else str(step.error_message or "").strip()
    return Outcome(kind=kind, message=message, trace=trace_of(exception, step.exc_traceback), step=text)


def outcome_of_hooks(entity: Any) -> Outcome:
    """What the hooks of a feature, rule or scenario said when they failed."""
    message = _HOOK_ERROR.sub(_where, (entity.error_message or "").strip())
    return Outcome(kind="broken", message=message, trace=trace_of(entity.exception, entity.exc_traceback))


def sentence(exception: BaseException) -> str:
    """What an exception says: our own errors and failed promises speak for themselves, others are named."""
    text = str(exception).strip()
    if isinstance(exception, (AssertionError, SpecsError)) and text:
        return text
    return f"{type(exception).__name__}: {text}" if text else type(exception).__name__


def _of_step(scenario: Scenario) -> Outcome:
    for step in scenario.all_steps:
        if step.status.has_failed() or step.status is Status.xfailed:
            return outcome_of_step(step)
    return Outcome(kind="failed", message=scenario.error_message or "failed without a message")


def _around_steps(scenario: Scenario) -> Outcome:
    """In a hook or a clean-up; a step that had failed before is told too, it may be the cause."""
    hooks = outcome_of_hooks(scenario)
    said, trace = [hooks.message] if hooks.message else [], hooks.trace
    said += [f"in the clean-up {found}" for found in _CLEANUP_ERROR.findall(scenario.captured.make_report())]
    before = _of_step(scenario)
    if before.step:
        said.append(f"before that, in the step {before.step}: {before.message}")
        trace = trace or before.trace
    return Outcome(kind="broken", message="\n".join(said) or "a hook or clean-up failed", trace=trace, step=before.step)


def _where(found: re.Match[str]) -> str:
    hook, tag = found.groups()
    return f"in {hook} of @{tag}: " if tag else f"in {hook}: "


def _never_run(scenario: Scenario) -> Outcome:
    """Its rule or feature could not begin, or the run was stopped."""
    for parent in lineage(scenario):
        if getattr(parent, "hook_failed", False) and parent.error_message:
            return outcome_of_hooks(parent)
    return Outcome(kind="not_run", message="" if scenario.was_dry_run else "the run was stopped before")


def trace_of(exception: BaseException | None, tb: TracebackType | None) -> str:
    """The traceback from our own code on; behave's frames say nothing to anyone."""
    if exception is None:
        return ""
    while tb and tb.tb_frame.f_code.co_filename.startswith(_BEHAVE):
        tb = tb.tb_next
    return "".join(traceback.format_exception(type(exception), exception, tb)).rstrip()
