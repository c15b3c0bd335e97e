"""Scenarios to which those beside them left too little of the machine: they run again when they have it to themselves.

Only runs side by side (`./specs run -j N`) put off. What a part puts off is skipped there and written down; part 0,
which runs when the others are done, takes it up. There it is an error if the machine is too busy still.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from behave.model_type import Status

from support.errors import TooBusy
from support.known_defects import is_known_defect
from support.report.scenario_runs import run_of
from support.report.written_results import results_of

FILE = "put-off.jsonl"
"""In a part's folder."""
AGAIN = "it runs again when the others are done"
Scenario = Any
Runner = Any


@dataclass(frozen=True)
class PutOff:
    """A scenario that a part has put off."""

    location: str
    """file:line, as behave has it."""
    name: str
    evidence: str
    """The folder of what it has left."""

    def forget(self) -> None:
        """Take away that it was skipped there, and what it has left."""
        for file, told in results_of(Path(self.evidence).parents[1]):
            if (told["name"], told["status"]) == (self.name, "skipped"):
                file.unlink()
        shutil.rmtree(self.evidence, ignore_errors=True)


def put_off_busy(scenarios: Iterable[Scenario], folder: Path) -> None:
    """Put off each of them that ends because the machine was too busy to tell. folder: the part's.

    Not known defects: by how much one of those is broken, nobody asks.
    """
    for scenario in scenarios:
        if not is_known_defect(scenario):
            run_of(scenario).judge(partial(_judge, folder))


def of_parts(folder: Path) -> list[PutOff]:
    """What the parts in that folder have put off so far."""
    files = sorted(folder.glob(f"*/{FILE}"))
    return [PutOff(**json.loads(line)) for file in files for line in file.read_text().splitlines()]


def _judge(folder: Path, scenario: Scenario, runner: Runner) -> bool:
    busy = [step for step in scenario.all_steps if isinstance(step.exception, TooBusy)]
    if scenario.status is not Status.error or scenario.hook_failed or not busy:
        return bool(scenario.status.has_failed())
    one = PutOff(str(scenario.location), scenario.name, str(run_of(scenario).evidence))
    with (folder / FILE).open("a") as file:
        file.write(f"{json.dumps(asdict(one))}\n")
    for step in busy:
        step.status = Status.skipped
    scenario.skip_reason = f"{busy[0].exception} - {AGAIN}"
    scenario.set_status(Status.skipped)
    return False
