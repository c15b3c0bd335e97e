"""What a negative control is, and how it is run: the real suite, in a process of its own, on a broken deployment."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.settings import ROOT
from support.waiting import eventually


@dataclass(frozen=True)
class Control:
    """What is broken (a key of the program's `BREAKS`), in which scenario, which step notices, its words (regex)."""

    broken: str
    scenario: str
    step: str
    says: str


@dataclass(frozen=True)
class Run:
    """behave's exit status and output, and Allure's result of the one scenario."""

    status: int
    output: str
    result: dict[str, Any]

    @property
    def verdict(self) -> tuple[str, str | None]:
        """Allure's status, and the step that was the first not to pass."""
        not_passed = [step["name"] for step in self.result["steps"] if step["status"] != "passed"]
        return self.result["status"], next(iter(not_passed), None)

    @property
    def message(self) -> str:
        return str(self.result["statusDetails"]["message"])


@dataclass(frozen=True)
class Area:
    """The controls of one kind of promise.

    program: the module that runs the suite and knows the ways in which a deployment can be broken, "nothing" among
    them. fail: a broken promise fails its scenario. errors: a fault that did not happen, or a load that was not
    what it should be, is an error. unchanged: scenarios that pass where the means are there and break nothing.
    tags: which of a scenario's examples is run. alone: the scenarios need the whole machine, as those with @serial.
    settings: of the run, besides ("target=kubernetes"). within: seconds for one run.
    """

    name: str
    program: str
    fail: Sequence[Control]
    errors: Sequence[Control] = ()
    unchanged: Sequence[str] = ()
    tags: str = "@vllm and not @nats"
    alone: bool = False
    settings: Sequence[str] = ()
    within: int = 120


class Suite:
    """Runs an area's program, with folders of its own for all that the suite writes."""

    def __init__(self, area: Area, folder: Path) -> None:
        self.area = area
        self.log_dir = folder / "log"
        self.temporary = folder / "temporary"
        self.temporary.mkdir()

    def run(self, broken: str, scenario: str) -> Run:
        """That one scenario, on a deployment that is broken in that way."""
        settings = (f"log_dir={self.log_dir}", *self.area.settings)
        behave = [*(f"-D{one}" for one in settings), "-t", self.area.tags, "-n", scenario]
        done = subprocess.run(
            [sys.executable, "-m", self.area.program, broken, *behave],
            cwd=ROOT,
            env=os.environ | {"TMPDIR": str(self.temporary)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=self.area.within,
        )
        found = [json.loads(path.read_text()) for path in (self.log_dir / "allure-results").glob("*-result.json")]
        assert [result["name"].startswith(scenario) for result in found] == [True], done.stdout
        return Run(done.returncode, done.stdout, found[0])

    def shows(self, control: Control, *, as_: str) -> None:
        """The right step of its scenario is "failed" (or "broken": an error), and says what a reader needs."""
        run = self.run(control.broken, control.scenario)
        assert run.verdict == (as_, control.step), run.output
        assert re.search(control.says, run.message, re.DOTALL), run.message
        assert run.status == 1

    def processes(self) -> list[int]:
        """Those that run with this suite's environment, in whatever namespace: behave, components, the report's."""
        return [int(process.name) for process in Path("/proc").glob("[0-9]*") if self._owns(process)]

    def _owns(self, process: Path) -> bool:
        with suppress(OSError):  # it has ended, or is another user's
            return str(self.temporary).encode() in (process / "environ").read_bytes()
        return False


def leaving_nothing(area: Area, folder: Path) -> Iterator[Suite]:
    """A suite, and after its use the proof: no process (so no namespace) and no folder is left."""
    suite = Suite(area, folder)
    yield suite
    eventually(lambda: not suite.processes(), within=5, describe="every process of the run is gone")
    assert list(suite.temporary.iterdir()) == []
