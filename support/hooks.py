"""What behave's hooks do. Of support only this, the report, and what turns verdicts know behave."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any, NoReturn

from behave.model import Feature, Scenario, Step
from behave.model_type import Status
from behave.tag_expression import make_tag_expression

from support import tags
from support.deployment import Target
from support.errors import LeftOut, SpecsError, Unavailable, UsageError
from support.evidence import slug
from support.known_defects import expect_known_defects
from support.local import lab
from support.local.scratch import insist_on_room
from support.parts import NOTHING, Part
from support.put_off import put_off_busy
from support.report.allure_results import ReportFormatter
from support.report.html import build, write_environment
from support.report.scenario_runs import run_of
from support.report.summary_page import write_summary
from support.settings import Settings, guide_environment
from support.setup.programs import add_system_programs_to_path
from support.waiting import scale_deadlines
from support.world import World

_ROOM = 20
"""Megabytes that a run's evidence and report may take."""
Context = Any
"""behave.runner.Context; it has no types."""


class _Report(ReportFormatter):
    """Writes results as scenarios end, and makes them one page at the end of the run."""

    run: Run

    def close(self) -> None:
        super().close()
        try:
            if self.run.part:
                write_environment(self.run.results, self.run.facts())
                return
            log_dir = self.run.settings.log_dir
            page = build(self.run.results, log_dir / "report.html", environment=self.run.facts())
            print(f"report: {page}")
            if loads := write_summary(log_dir):
                print(f"loads: {loads}")
        except (SpecsError, OSError) as error:
            print(f"specs: no report: {error}", file=sys.stderr)


class Run:
    """One run of behave: settings, target, folders."""

    def __init__(self, settings: Settings) -> None:
        self.begun = time.monotonic()
        self.settings = settings
        self.part = Part.of_environment()
        self.results = settings.log_dir / "allure-results"
        self.evidence = settings.log_dir / "evidence"
        self._held = hold(settings.log_dir)
        for folder in (self.evidence, settings.log_dir / "deployments"):
            shutil.rmtree(folder, ignore_errors=True)
        self.target = _target(settings)
        try:
            self._facts = self.target.facts()
        except BaseException:
            self.target.close()
            raise
        self._folders: set[str] = set()

    def facts(self) -> dict[str, str]:
        """What the report says of this run: versions, machine, and every setting."""
        settings = {f"-D {key}": value for key, value in (self.settings.shown() | guide_environment()).items()}
        return self._facts | settings

    def folder_of(self, scenario: Scenario) -> Path:
        """A folder of its own for a scenario, named after it."""
        name = base = slug(scenario.name)
        number = 1
        while name in self._folders:
            number += 1
            name = f"{base}-{number}"
        self._folders.add(name)
        return self.evidence / name


def _target(settings: Settings) -> Target:
    """Where this run's deployments live. Imported here: each target has clients that the other does without."""
    logs = settings.log_dir / "deployments"
    if settings.graph:
        from support.attached_target.graph_target import GraphTarget

        return GraphTarget(settings, logs=logs)
    if settings.target == "kubernetes" and settings.attach:
        from support.attached_target.target import AttachedTarget

        return AttachedTarget(settings, logs=logs)
    if settings.target == "kubernetes":
        from support.kubernetes_target.target import KubernetesTarget

        return KubernetesTarget(settings, logs=logs)
    from support.local.target import LocalTarget

    return LocalTarget(settings, logs=logs)


def before_all(context: Context) -> None:
    """Check what the user asked for, enter the lab, open target and report."""
    add_system_programs_to_path()
    try:
        settings = Settings.read(context.config.userdata)
        context.config.tag_expression = _selection(context.config)
        selected = _refuse_nothing(context, settings)
        _take_part(selected, settings)
        if settings.target == "local" and not lab.inside() and lab.unavailable() is None:
            lab.enter([sys.executable, *sys.orig_argv[1:]])
        scale_deadlines(settings.timeout_scale)
        context.run = Run(settings)
    except SpecsError as error:
        _refuse(str(error))
    except OSError as failure:
        _refuse(f"the run cannot begin: {failure}; make room, or set TMPDIR and -D log_dir to where there is some")
    context.config.junit_directory = str(settings.log_dir / "junit")
    report = _Report.into(context.run.results, context.config)
    report.run = context.run
    _runner(context).formatters.append(report)
    signal.signal(signal.SIGTERM, partial(_interrupted, _runner(context)))


def after_all(context: Context) -> None:
    """Take the target away."""
    context.run.target.close()
    for reporter in context.config.reporters:
        if hasattr(reporter, "duration"):
            reporter.duration = time.monotonic() - context.run.begun  # behave 1.3.3 tells the time of the first feature


def before_feature(context: Context, feature: Feature) -> None:
    """Skip early, before anything is paid for, what this run cannot or shall not do; with the reason in a sentence."""
    expect_known_defects(feature)
    if context.run.part and context.run.part.number:
        put_off_busy(feature.walk_scenarios(), context.run.settings.log_dir)
    for scenario in feature.walk_scenarios():
        reason = _not_here(set(scenario.effective_tags), context.run.settings)
        if reason:
            scenario.skip(reason)


def before_scenario(context: Context, scenario: Scenario) -> None:
    run: Run = context.run
    context.world = World(settings=run.settings, target=run.target, folder=run.folder_of(scenario))


def after_step(context: Context, step: Step) -> None:
    """What a scenario needs and cannot have here makes it skipped, not failed; with the reason in a sentence."""
    if isinstance(step.exception, LeftOut):
        context.scenario.skip(str(step.exception))
        step.status = Status.skipped


def after_scenario(context: Context, scenario: Scenario) -> None:
    run_of(scenario).evidence = context.world.folder
    context.world.finish(passed=all(step.status is Status.passed for step in scenario.all_steps))


def _runner(context: Context) -> Any:
    """behave gives hooks no public way to the features and formatters of the run."""
    return context._runner  # noqa: SLF001


def _refuse(error: str) -> NoReturn:
    """End the run with one sentence. behave would wrap an exception, also SystemExit, in lines of its own."""
    print(f"specs: {error}", file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(2)


def _interrupted(runner: Any, number: int, frame: object) -> NoReturn:
    """SIGTERM ends a run as Ctrl-C does: the scenario's evidence and the report are still written.

    The runner is told before, for whoever is interrupted may swallow it: a finalizer, or a library's callback.
    """
    runner.abort("SIGTERM")
    raise KeyboardInterrupt


def _selection(config: Any) -> Any:
    """The user's tag expressions, and without what runs only when asked for."""
    asked = [expression for expression in config.tags or [] if expression]
    tags.check_expression(asked)
    return make_tag_expression(tags.with_default_selection(asked), config.tag_expression_protocol)


def _take_part(selected: Sequence[Scenario], settings: Settings) -> None:
    """In one part of a run: only what is its own. A part without anything ends here, well."""
    part = Part.of_environment()
    skipped = [scenario for scenario in selected if _not_here(set(scenario.effective_tags), settings)]
    if part and not part.keep([scenario for scenario in selected if scenario not in skipped], skipped):
        os._exit(NOTHING)


def _refuse_nothing(context: Context, settings: Settings) -> list[Scenario]:
    """What is selected. UsageError when that is nothing, or cannot run here: a run of nothing proves nothing."""
    config = context.config
    scenarios = [scenario for feature in _runner(context).features for scenario in feature.walk_scenarios()]
    selected = [scenario for scenario in scenarios if scenario.should_run(config)]
    if not selected:
        asked = " ".join(f"-t '{expression}'" for expression in config.tags or [])
        raise UsageError(f"no scenario is selected of {len(scenarios)} by {asked or 'what was asked for'}: widen it")
    reasons = [_not_here(set(scenario.effective_tags), settings) for scenario in selected]
    if all(reasons):
        raise UsageError(f"none of the {len(selected)} selected scenarios can run here, the first because {reasons[0]}")
    return selected


def _not_here(tagged: set[str], settings: Settings) -> str | None:
    backends = tags.FAMILIES["backend"] & tagged
    if settings.backend and backends and settings.backend not in backends:
        return f"this run is for {settings.backend} only (-D backend)"
    for need, value in (("target", settings.target), ("engine", settings.engine)):
        wanted = sorted(tag.partition("=")[2] for tag in tagged if tag.startswith(f"use.with_{need}="))
        if wanted and value not in wanted:
            return f"it needs the {need} {' or '.join(wanted)}; this run is on {value}"
    if "gpu" in tagged:
        return "it needs a GPU, which this target has not"
    if "k8s" in tagged and settings.target != "kubernetes":
        return "it needs a Kubernetes cluster; this run is on the local target"
    return None


def hold(log_dir: Path) -> IO[str]:
    """The folder, for this run alone: two would empty each other's results."""
    try:
        log_dir.mkdir(parents=True, exist_ok=True)
        held = (log_dir / ".held").open("w")
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        insist_on_room(log_dir, megabytes=_ROOM, remedy="make room or give -D log_dir=FOLDER")
    except BlockingIOError:
        raise UsageError(f"another run writes to {log_dir}: wait for it, or give -D log_dir=FOLDER") from None
    except OSError as failure:
        raise Unavailable(
            f"cannot write to {log_dir} ({failure.strerror}): make room or give -D log_dir=FOLDER"
        ) from None
    return held
