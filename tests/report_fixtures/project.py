"""Runs the project in this folder with the real behave."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


@dataclass
class Project:
    """A run of the project in tests/report_fixtures: what it printed, and what it left."""

    folder: Path
    status: int
    output: str

    @property
    def results(self) -> dict[str, dict[str, Any]]:
        """Allure's results by scenario name."""
        found = [json.loads(path.read_text()) for path in (self.folder / "allure").glob("*-result.json")]
        return {result["name"]: result for result in found}

    def message(self, scenario: str) -> str:
        return str(self.results[scenario]["statusDetails"]["message"])

    def attachments(self, item: dict[str, Any]) -> dict[str, str]:
        folder = self.folder / "allure"
        return {each["name"]: (folder / each["source"]).read_text() for each in item.get("attachments", [])}

    def labels(self, scenario: str) -> set[tuple[str, str]]:
        return {(label["name"], label["value"]) for label in self.results[scenario]["labels"]}

    def steps(self, scenario: str) -> dict[str, str]:
        """Each step's status."""
        return {step["name"]: step["status"] for step in self.results[scenario]["steps"]}

    def line(self, scenario: str) -> str:
        return next(line for line in self.output.splitlines() if scenario in line)


def run_project(folder: Path, *arguments: str) -> Project:
    project = folder / "project"
    shutil.copytree(HERE, project)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "RESULTS": str(folder / "allure")}
    environment.pop("NO_COLOR", None)
    strict = ["-W", "error", "-W", "ignore::ResourceWarning"]  # behave itself leaves JUnit files open
    command = [sys.executable, *strict, "-m", "behave", "--junit", "--junit-directory", str(folder / "junit")]
    done = subprocess.run(
        [*command, *arguments], cwd=project, env=environment, capture_output=True, text=True, timeout=60
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Project(folder, done.returncode, done.stdout)
