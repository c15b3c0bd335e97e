"""What happens around one scenario's run: who is told when it starts and ends, and who may turn its verdict.

behave calls a formatter neither at the end of a scenario nor for one that was skipped before it ran. So the run
itself is wrapped, once per scenario: first the listeners hear that it starts, then it runs (hooks and clean-ups
included), then the judges may change its status, and last the listeners hear that it ended.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Scenario = Any
"""behave.model.Scenario; behave has no types."""
Runner = Any
Config = Any

Judge = Callable[[Scenario, Runner], bool]
"""Looks at a scenario that has run, may change its status, and answers whether it counts as failed."""


class ScenarioRun:
    """One scenario, from the first hook to the last clean-up."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.began = 0.0
        """Seconds on CLOCK_MONOTONIC."""
        self.seconds = 0.0
        """How long it took, hooks and clean-ups included."""
        self.has_run = False
        self.left_out = bool(scenario.should_skip)
        """Not selected by its place (`behave some.feature:12`): behave skips such a one before any hook."""
        self.evidence: Path | None = None
        """Folder of what it has left, for its judges."""
        self.excuse = ""
        """Why it is no wonder that it failed, where a judge has found that."""
        self._run = scenario.run
        self._judges: list[Judge] = []
        self._starts: list[Callable[[ScenarioRun], None]] = []
        self._ends: list[Callable[[ScenarioRun], None]] = []

    def listen(self, *, start: Callable[[ScenarioRun], None], end: Callable[[ScenarioRun], None]) -> None:
        """Call `start` before the scenario's first hook, and `end` when its status is final."""
        self._starts.append(start)
        self._ends.append(end)

    def judge(self, judge: Judge) -> None:
        """Let `judge` change the verdict before anyone is told of it."""
        self._judges.append(judge)

    def __call__(self, runner: Runner) -> bool:
        self.began = time.monotonic()
        self.has_run = True
        for start in self._starts:
            start(self)
        try:
            failed = bool(self._run(runner))
            for judge in self._judges:
                failed = judge(self.scenario, runner)
            return failed
        finally:
            self.seconds = time.monotonic() - self.began
            for end in self._ends:
                end(self)


def run_of(scenario: Scenario) -> ScenarioRun:
    """The wrapper around this scenario's run; it is put there by the first who asks."""
    if not isinstance(scenario.run, ScenarioRun):
        scenario.run = ScenarioRun(scenario)
    run: ScenarioRun = scenario.run
    return run


def lineage(scenario: Scenario) -> Iterator[Any]:
    """What it stands in, from the nearest on: its outline, rule and feature."""
    parent = scenario.parent
    while parent is not None:
        yield parent
        parent = parent.parent


def selected(run: ScenarioRun, config: Config) -> bool:
    """Whether the user asked for it, by tags, name and place. One that cannot run here is still asked for."""
    scenario = run.scenario
    by_tags = scenario.should_run_with_tags(config.tag_expression)
    return bool(by_tags and scenario.should_run_with_name_select(config) and not run.left_out)
