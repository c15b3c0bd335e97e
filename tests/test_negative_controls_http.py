"""Negative controls of what a frontend says to those whom it cannot serve: as tests/test_negative_controls.py."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.settings import ROOT
from support.waiting import eventually
from tests.test_negative_controls import Control, Run, Suite, needs_namespaces

UNKNOWN = "A request that names a model that nobody serves is refused"
FULL = "A full deployment turns a newcomer away"
ROOM = "One full worker of two turns nobody away"
CAPPED = "One more than a worker may take"
COUNTED = "A client that streams a completion of 50 tokens is told how many"
UNCOUNTED = "A client that streams a completion of 50 tokens without their count"
NAMED = "A named request is found in the answer"
TAKEN = "Wrong requests are refused while every place is taken"

REFUSED = "Then it is refused as unknown within 1 second"
TURNED_AWAY = "Then a good request is refused as overloaded within 1 second"
EACH = "Then these are refused within 1 second"

FAIL = [
    Control("answers-everybody", UNKNOWN, REFUSED, r"its status is 200, not 404"),
    Control(
        "answers-everybody", TAKEN, EACH, r"^a request that names a model .*its status is 200(.|\n)*\n.*is broken off"
    ),
    Control("refuses-late", UNKNOWN, REFUSED, r"it took 1\.5\d s"),
    Control("refuses-without-a-word", UNKNOWN, 'And its sender is told of "Model"', r"was told '\(no text\)'"),
    Control(
        "refuses-with-another-code", UNKNOWN, "And a program can tell what was wrong", "its code is 500, its status 404"
    ),
    Control(
        "breaks-at-a-refusal", UNKNOWN, "And the next good request is served within 2 seconds", r"http_status: 500"
    ),
    Control("is-never-idle", UNKNOWN, "And within 2 seconds nothing is in flight", r"last seen: \{'frontend-0': 1"),
    Control("turns-nobody-away", FULL, TURNED_AWAY, r"its status is 200, not 529 or 503"),
    Control("turns-nobody-away", CAPPED, TURNED_AWAY, r"its status is 200, not 529 or 503"),
    Control("counts-no-rejection", FULL, "And exactly 1 rejection is counted", r"^rejections: 0 were counted, not 1$"),
    Control("has-one-worker", ROOM, "Then the next 5 good requests are served within 2 seconds each", r"overloaded"),
    Control("counts-a-token-more", COUNTED, "Then the client is told that it received 50 tokens", r"was told 51$"),
    Control(
        "tells-everybody", UNCOUNTED, "Then the client is told no count", r"did not ask for a count and was told Usage"
    ),
    Control("forgets-names-in-answers", NAMED, "Then the answer bears that name", r"bears the name None, not 'order-"),
    Control("forgets-names-at-the-frontend", NAMED, "And the log of the frontend has it", r"last seen: \[\]"),
    Control("forgets-names-at-workers", NAMED, "And the log of one worker has it", r"last seen: \[\]"),
]


class HttpSuite(Suite):
    """With the deployments of tests/broken_http.py."""

    def run(self, broken: str, scenario: str) -> Run:
        behave = ["-D", f"log_dir={self.log_dir}", "-t", "@vllm and not @nats", "-n", scenario]
        done = subprocess.run(
            [sys.executable, "-m", "tests.broken_http", broken, *behave],
            cwd=ROOT,
            env=os.environ | {"TMPDIR": str(self.temporary)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
        )
        found = [json.loads(path.read_text()) for path in (self.log_dir / "allure-results").glob("*-result.json")]
        assert [result["name"].startswith(scenario) for result in found] == [True], done.stdout
        return Run(done.returncode, done.stdout, found[0])


@pytest.fixture
def suite(tmp_path: Path) -> Iterator[Suite]:
    """Nothing of its runs is left when the test has ended: no process, no folder."""
    suite = HttpSuite(tmp_path)
    yield suite
    eventually(lambda: not suite.processes(), within=5, describe="every process of the run is gone")
    assert list(suite.temporary.iterdir()) == []


@needs_namespaces
@pytest.mark.parametrize("control", FAIL, ids=lambda control: f"{control.broken}: {control.scenario}")
def test_a_broken_promise_fails_its_scenario(suite: Suite, control: Control) -> None:
    run = suite.run(control.broken, control.scenario)
    assert run.verdict == ("failed", control.step), run.output
    assert re.search(control.says, run.message), run.message
    assert run.status == 1


@needs_namespaces
@pytest.mark.parametrize("scenario", [UNKNOWN, FULL, TAKEN])
def test_the_proxies_themselves_change_nothing(suite: Suite, scenario: str) -> None:
    run = suite.run("nothing", scenario)
    assert run.verdict == ("passed", None), run.output
    assert run.status == 0
