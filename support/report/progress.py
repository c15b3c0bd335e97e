"""The console: one line per scenario when it ends, with its time; long waits say what they wait for."""

from __future__ import annotations

import os
import shutil
from typing import Any

from behave.formatter.base import Formatter

from support.report.outcome import Kind, Outcome, outcome_of
from support.report.scenario_runs import Config, ScenarioRun, lineage, run_of, selected
from support.waiting import narrate_to

WORDS: dict[Kind, str] = {
    "passed": "passed",
    "failed": "FAILED",
    "broken": "ERROR",
    "skipped": "skipped",
    "known_defect": "known defect",
    "not_run": "not run",
}
_COLOURS: dict[Kind, int] = {"passed": 32, "failed": 31, "broken": 35, "skipped": 33, "known_defect": 36, "not_run": 90}
_INDENT = " " * 4
_DETAIL = " " * 27  # under the scenario's name


class ProgressFormatter(Formatter):  # type: ignore[misc]  # behave has no types
    """behave's formatter `specs`: shows every scenario that was asked for, and nothing of the others."""

    name = "specs"
    description = "One line per scenario, with its time; failures and long waits inline"

    def __init__(self, stream_opener: Any, config: Config) -> None:
        super().__init__(stream_opener, config)
        self.stream = self.open()
        self._tty = bool(getattr(self.stream, "isatty", lambda: False)())
        self._coloured = self._tty and not os.environ.get("NO_COLOR") and config.color not in ("off", "never")
        self._feature: Any = None
        self._headed: list[Any] = []
        self._running: ScenarioRun | None = None
        self._announced = False
        self._known_defects = 0
        self._be_silent = narrate_to(self._narrate)

    def feature(self, feature: Any) -> None:
        """Follow its scenarios. Its heading comes with the first one that is shown."""
        self._feature = feature
        for scenario in feature.walk_scenarios():
            run_of(scenario).listen(start=self._start, end=self._end)

    def eof(self) -> None:
        """Tell of the scenarios that never began, because their feature or rule could not."""
        for run in map(run_of, self._feature.walk_scenarios()):
            outcome = outcome_of(run.scenario)
            if not run.has_run and outcome.kind == "broken" and selected(run, self.config):
                self._head(run.scenario)
                self._tell(run, outcome)

    def close(self) -> None:
        self._be_silent()
        if self._known_defects:
            self._write(f"\nKnown defects of Dynamo that failed as expected: {self._known_defects}\n")
        super().close()

    def _start(self, run: ScenarioRun) -> None:
        if not selected(run, self.config):
            return
        self._head(run.scenario)
        self._running, self._announced = run, False
        if self._tty:
            self._write(self._running_line(run)[: shutil.get_terminal_size().columns - 1])

    def _end(self, run: ScenarioRun) -> None:
        if not selected(run, self.config):
            return
        self._running = None
        if self._tty:
            self._write("\r\033[K")
        self._tell(run, outcome_of(run.scenario))

    def _narrate(self, line: str) -> None:
        if self._running and not self._announced:
            self._announced = True
            self._write("\n" if self._tty else f"{self._running_line(self._running)}\n")
        self._write(f"{_DETAIL}{line}\n")

    def _running_line(self, run: ScenarioRun) -> str:
        return f"{_INDENT}{'...':<{len(_DETAIL) - len(_INDENT)}}{run.scenario.name}"

    def _head(self, scenario: Any) -> None:
        """Feature and rule of this scenario, unless they stand there already."""
        parents = [scenario.feature]
        parents += [parent for parent in lineage(scenario) if parent.type == "rule"]
        if parents == self._headed:
            return
        if parents[:1] != self._headed[:1]:
            self._write(f"\n{self._bold(f'Feature: {scenario.feature.name}')}   {scenario.feature.location.filename}\n")
        for rule in parents[1:]:
            self._write(f"  Rule: {rule.name}\n")
        self._headed = parents

    def _tell(self, run: ScenarioRun, outcome: Outcome) -> None:
        self._known_defects += outcome.kind == "known_defect"
        seconds = "" if outcome.kind in ("skipped", "not_run") else f"{run.seconds:.2f} s"
        word = self._paint(f"{WORDS[outcome.kind]:<12}", _COLOURS[outcome.kind])
        place = f"   {run.scenario.location}" if outcome.kind in ("failed", "broken") else ""
        self._write(f"{_INDENT}{word} {seconds:>9} {run.scenario.name}{place}\n")
        told = [outcome.step] if outcome.step else []
        for line in "\n".join([*told, outcome.message]).splitlines():
            self._write(f"{_DETAIL}{line}\n")

    def _write(self, text: str) -> None:
        self.stream.write(text)
        self.stream.flush()

    def _bold(self, text: str) -> str:
        return self._paint(text, 1)

    def _paint(self, text: str, code: int) -> str:
        return f"\033[{code}m{text}\033[0m" if self._coloured else text
