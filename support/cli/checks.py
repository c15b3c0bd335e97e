"""`./specs test`: every check of the project, one after the other, and what each said last."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from support.settings import ROOT

LAST_LINE = r".+"


@dataclass(frozen=True, kw_only=True)
class Check:
    """A program to run, and what of its output is told again at the end.

    closing: which of its lines sum it up (a regular expression; the last ones that match).
    failures: what went wrong, over several lines, each without its indentation (a regular expression).
    """

    name: str
    command: Sequence[str]
    closing: str = LAST_LINE
    failures: str | None = None


PYTHON = (sys.executable, "-m")
CHECKS = (
    Check(name="style", command=(*PYTHON, "ruff", "check"), closing=r"Found .*|All checks passed!"),
    Check(name="format", command=(*PYTHON, "ruff", "format", "--check")),
    Check(name="types", command=(*PYTHON, "mypy")),
    Check(name="tests, and the features as text", command=(*PYTHON, "pytest", "-m", "not side_by_side")),
    Check(name="negative controls, two at a time", command=(*PYTHON, "pytest", "-m", "side_by_side", "-n", "2")),
    Check(
        name="specifications, a real selection",
        command=(sys.executable, "-P", "-m", "support.cli", "run", "-t", "@smoke"),
        closing=r"\d+ (feature|rule|scenario|step)s? passed.*|Took .*|specs: .*",
        failures=r"(?:FAILED|ERROR) +\d.*(?:\n.+){0,2}",  # a scenario, its step, and the first line of why
    ),
)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a check ended. status: its exit status. seconds: how long it took."""

    name: str
    status: int
    seconds: float
    closing: list[str]

    def __str__(self) -> str:
        verdict = "ok" if self.status == 0 else f"FAILED (exit status {self.status})"
        return f"{verdict:<4} {self.name}, {self.seconds:.1f} s"


def check(checks: Sequence[Check] = CHECKS) -> int:
    """Run all, print a summary with each runner's closing lines, and return the status of the first that failed."""
    outcomes = [_run(one) for one in checks]
    print("\n== summary")
    for outcome in outcomes:
        print(outcome, *outcome.closing, sep="\n     ")
    return next((outcome.status for outcome in outcomes if outcome.status != 0), 0)


def _run(check: Check) -> Outcome:
    print(f"\n== {check.name}", flush=True)
    start = time.monotonic()
    lines: list[str] = []
    with _started(check.command) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line.strip())
    status = process.returncode if process.returncode >= 0 else 128 - process.returncode
    seconds = time.monotonic() - start
    return Outcome(name=check.name, status=status, seconds=seconds, closing=_closing(check, lines))


def _started(command: Sequence[str]) -> subprocess.Popen[str]:
    """With one pipe for both streams, so that lines keep their order. It ends when this process is killed."""
    return subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", "--", *command],
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )


def _closing(check: Check, lines: Sequence[str]) -> list[str]:
    failures = re.findall(check.failures, "\n".join(lines)) if check.failures else []
    matching = [line for line in lines if re.fullmatch(check.closing, line)]
    told = matching[-1:] if check.closing == LAST_LINE else matching[-6:]
    return [*"\n".join(failures).splitlines(), *told]
