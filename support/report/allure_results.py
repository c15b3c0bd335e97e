"""The results of a run in Allure's format: one file per scenario that was asked for, written as soon as it ends.

On top of allure-behave 2.16.2, which leaves out scenarios in rules, takes hook and clean-up errors for passes,
loses skip reasons and what `context.attach` is given, and lets excluded scenarios leak into others.
"""

from __future__ import annotations

import mimetypes
import shutil
from collections import deque
from pathlib import Path
from typing import Any, Self

import allure_commons
from allure_behave.listener import AllureListener
from allure_behave.utils import scenario_parameters
from allure_commons import logger, model2, utils

from support.errors import Unavailable
from support.report.evidence import attach
from support.report.labels import labels_of, links_of
from support.report.outcome import Kind, Outcome, outcome_of, outcome_of_hooks, outcome_of_step
from support.report.scenario_runs import Config, Scenario, ScenarioRun, lineage, run_of, selected

STATUSES: dict[Kind, str] = {
    "passed": "passed",
    "failed": "failed",
    "broken": "broken",
    "skipped": "skipped",
    "known_defect": "skipped",
    "not_run": "skipped",
}
"""How a scenario ended -> Allure's status."""

_allure: Any = allure_commons  # it says that it is typed, but its functions are not
_logger: Any = logger
_model: Any = model2
_utils: Any = utils


class ReportFormatter:
    """A behave formatter beside the one that the user sees: the before_all hook adds it to the running ones.

    It hears of every feature from there on, because behave goes through its list of formatters at each event.
    """

    def __init__(self, results_dir: Path, config: Config) -> None:
        self._config = config
        self._listener = _Listener(config)
        self._feature: Any = None
        self._plugins = [self._listener, _logger.AllureFileLogger(str(results_dir))]
        for plugin in self._plugins:
            _allure.plugin_manager.register(plugin)

    @classmethod
    def into(cls, results_dir: Path, config: Config, *, empty: bool = True) -> Self:
        """Write into that folder, which is emptied first: Allure would show what an earlier run left there.

        empty: False for one of several processes that write into the same folder.
        Unavailable when the folder cannot be written.
        """
        try:
            if empty and results_dir.is_dir():
                shutil.rmtree(results_dir)
            return cls(results_dir, config)
        except OSError as error:
            raise Unavailable(f"cannot write results into {results_dir}: {error}; choose another -D log_dir") from None

    def uri(self, uri: str) -> None:
        """A feature file begins; its features say more."""

    def feature(self, feature: Any) -> None:
        self._feature = feature
        for scenario in feature.walk_scenarios():
            run_of(scenario).listen(start=self._start, end=self._end)

    def background(self, background: Any) -> None:
        """Its steps come as steps of each scenario."""

    def scenario(self, scenario: Scenario) -> None:
        """Its run says when it starts, also where behave does not call this."""

    def step(self, step: Any) -> None:
        """The steps are the scenario's, also where behave does not call this."""

    def match(self, match: Any) -> None:
        self._listener.match_step(match)

    def result(self, step: Any) -> None:
        self._listener.stop_behave_step(step)

    def eof(self) -> None:
        """Write the scenarios that never began, because their feature or rule could not, and what came after all."""
        runs = [run_of(scenario) for scenario in self._feature.walk_scenarios()]
        for run in runs:
            if not run.has_run and outcome_of(run.scenario).kind == "broken":
                self._start(run)
                self._end(run)
        if self._feature.hook_failed and any(run.has_run for run in runs):
            outcome = outcome_of_hooks(self._feature)
            _allure.plugin_manager.hook.global_error(message=outcome.message, trace=outcome.trace)

    def embedding(self, mime_type: str, data: bytes) -> None:
        """What `context.attach` is given."""
        extension = (mimetypes.guess_extension(mime_type) or ".bin").removeprefix(".")
        self._listener.attach_data(data, "attachment", mime_type, extension)

    def close(self) -> None:
        for plugin in self._plugins:
            if _allure.plugin_manager.is_registered(plugin):
                _allure.plugin_manager.unregister(plugin)

    def _start(self, run: ScenarioRun) -> None:
        if selected(run, self._config):
            self._listener.start_scenario(run.scenario)

    def _end(self, run: ScenarioRun) -> None:
        if selected(run, self._config):
            self._listener.stop_scenario(run.scenario)


class _Listener(AllureListener):  # type: ignore[misc]  # allure-behave has no types
    """Allure-behave's bookkeeping of steps and attachments, with a scenario's start and end of our own."""

    current_scenario_uuid: str | None
    current_step_uuid: str | None

    def start_scenario(self, scenario: Scenario) -> None:
        super().start_scenario(scenario)
        self.steps = deque(scenario.all_steps)
        result = self.logger.get_test(self.current_scenario_uuid)
        result.labels = labels_of(scenario)
        result.links = links_of(scenario)
        result.fullName = _identity(scenario)
        result.description = _description(scenario)
        result.testCaseId = _utils.md5(result.fullName)
        result.historyId = _utils.md5(result.fullName, *_cells(scenario))

    def stop_behave_step(self, result: Any) -> None:
        outcome = outcome_of_step(result)
        self.logger.stop_step(
            self.current_step_uuid, stop=_utils.now(), status=STATUSES[outcome.kind], statusDetails=_details(outcome)
        )

    def stop_scenario(self, scenario: Scenario) -> None:
        outcome = outcome_of(scenario)
        self.flush_steps()
        if outcome.kind not in ("passed", "skipped"):
            self._attach_captured(scenario)
        result = self.logger.get_test(self.current_scenario_uuid)
        result.stop = _utils.now()
        result.status = STATUSES[outcome.kind]
        result.statusDetails = _details(outcome)
        self.logger.close_test(self.current_scenario_uuid)
        self.group_context.exit()
        self.current_step_uuid = self.current_scenario_uuid = None

    @_allure.hookimpl  # type: ignore[untyped-decorator]  # pluggy finds a plugin's functions by this mark
    def attach_data(self, body: str | bytes, name: str, attachment_type: Any, extension: str) -> None:
        if self.current_scenario_uuid:
            super().attach_data(body, name, attachment_type, extension)
        else:
            super().global_attach_data(body, name, attachment_type, extension)

    @_allure.hookimpl  # type: ignore[untyped-decorator]  # as above
    def attach_file(self, source: str, name: str, attachment_type: Any, extension: str) -> None:
        if self.current_scenario_uuid:
            super().attach_file(source, name, attachment_type, extension)
        else:
            super().global_attach_file(source, name, attachment_type, extension)

    def _attach_captured(self, scenario: Scenario) -> None:
        if text := scenario.captured.make_simple_report().strip():
            attach("Captured output", text, "log")


def _details(outcome: Outcome) -> Any:
    return _model.StatusDetails(message=outcome.message, trace=outcome.trace) if outcome.message else None


def _description(scenario: Scenario) -> str:
    """Why it matters (the feature's words), then what is special about it (its own)."""
    parts = [scenario.feature.description, scenario.description]
    return "\n\n".join("\n".join(part) for part in parts if part)


def _identity(scenario: Scenario) -> str:
    """Feature, rule and scenario: what Allure's history follows. Moving a file keeps it, renaming does not."""
    above = [parent.name for parent in lineage(scenario) if parent.type in ("rule", "feature")]
    return ": ".join([*reversed(above), scenario.name])


def _cells(scenario: Scenario) -> list[str]:
    """Of the example that an outline's scenario is made from."""
    return [f"{cell.name}={cell.value}" for cell in scenario_parameters(scenario) or ()]
