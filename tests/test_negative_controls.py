"""Negative controls: on a deployment that is broken on purpose, the right scenario fails, and says what a reader needs.

Each runs the real suite in a process of its own (tests/broken.py), one scenario on vLLM, and reads Allure's results.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.local import lab
from support.settings import ROOT
from support.waiting import eventually

_no_lab = lab.unavailable()
needs_namespaces = pytest.mark.skipif(_no_lab is not None, reason=f"needs namespaces: {_no_lab}")

MOVED = "A killed worker costs a stream nothing over TCP"
NOT_MOVED = "A killed worker ends its stream with a clear error"
LEFT = "A client that streams a chat of 2000 tokens over TCP and leaves disturbs nobody"
KNOWN_DEFECT = "A stream that was not moved is not counted as moved"

JOINED = "A worker that joins under load disturbs nobody"

EVERY_TOKEN = "Then the client receives each of the 200 tokens exactly once"
ANSWERED = "Then every request is answered in full"
STOPS = "Then its worker stops generating within 2 seconds"
TOLD = "Then the client is told of an error within 5 seconds"
KILL = "When the worker that serves the client is killed after 50 tokens"


@dataclass(frozen=True)
class Control:
    """What is broken (a key of `tests.broken.BREAKS`), in which scenario, which step notices, and its words (regex)."""

    broken: str
    scenario: str
    step: str
    says: str

    def __str__(self) -> str:
        return self.broken


FAIL = [
    Control("drops-a-chunk", MOVED, EVERY_TOKEN, r": lost token 1010$"),
    Control("doubles-a-chunk", MOVED, EVERY_TOKEN, r": repeated token 1010$"),
    Control("forgets-a-token", MOVED, EVERY_TOKEN, r"the last 1 of 200 tokens .*; repeated token 1\d{3}$"),
    Control("migrates-nothing", MOVED, EVERY_TOKEN, r"the last \d+ of 200 tokens are missing .* ended in an error"),
    Control(
        "delays-a-chunk",
        MOVED,
        "And none of its tokens comes more than 5 seconds after the one before",
        r"gap was \d+\.\d+ s, between tokens 99 and",
    ),
    Control(
        "strikes-the-idle-worker",
        MOVED,
        "And exactly 1 migration of a running request is counted",
        r"^migrations of running requests: 0 were counted, not 1$",
    ),
    Control("migrates-all", NOT_MOVED, TOLD, r"it completed: completed after .* and 200 tokens"),
    Control("falls-silent", NOT_MOVED, TOLD, r"ends: not within .* running for .* \d+ tokens"),
    Control("says-nothing", JOINED, ANSWERED, r"0 of \d+ requests were answered in full \(\d+ truncated\)"),
    Control(
        "counts-no-request",
        JOINED,
        "And what Dynamo counts is what the clients saw",
        r"answered in full: 0 counted, \d+ seen",
    ),
    Control("swallows-the-disconnect", LEFT, STOPS, r"vllm-worker-0 has not ended the request$"),
    Control("leaks-slots", LEFT, "And the newcomer is served within 2 seconds", r"receives 1 tokens: not within 2 s"),
    Control(
        "counts-no-cancellation",
        LEFT,
        "And exactly 1 cancellation of a streamed chat is counted",
        r"^cancellations.*: 0 were counted, not 1$",
    ),
]


class Suite:
    """Runs the suite, with folders of its own for all that it writes."""

    program = "tests.broken"
    """That knows the ways in which a deployment can be broken."""
    tags = "@vllm and not @nats"
    """Which of a scenario's examples is run."""

    def __init__(self, folder: Path) -> None:
        self.log_dir = folder / "log"
        self.temporary = folder / "temporary"
        self.temporary.mkdir()

    def run(self, broken: str, scenario: str) -> Run:
        """That one scenario, on a deployment that is broken in that way."""
        behave = ["-D", f"log_dir={self.log_dir}", "-t", self.tags, "-n", scenario]
        done = subprocess.run(
            [sys.executable, "-m", self.program, broken, *behave],
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

    def shows(self, control: Control, *, as_: str = "failed") -> None:
        """The right step of its scenario fails (or is "broken": an error), and says what a reader needs."""
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


@pytest.fixture
def suite(tmp_path: Path) -> Iterator[Suite]:
    """Nothing of its runs is left when the test has ended: no process (so no namespace), no folder."""
    yield from leaving_nothing(Suite(tmp_path))


def leaving_nothing(suite: Suite) -> Iterator[Suite]:
    """The suite, and after its use the proof."""
    yield suite
    eventually(lambda: not suite.processes(), within=5, describe="every process of the run is gone")
    assert list(suite.temporary.iterdir()) == []


@needs_namespaces
@pytest.mark.parametrize("control", FAIL, ids=str)
def test_a_broken_promise_fails_its_scenario(suite: Suite, control: Control) -> None:
    suite.shows(control)


@needs_namespaces
def test_a_fault_that_did_not_happen_is_an_error(suite: Suite) -> None:
    run = suite.run("strikes-nobody", MOVED)
    assert run.verdict == ("broken", KILL), run.output
    assert re.fullmatch(r"vllm-worker-\d was killed and still runs as process \d+", run.message)
    assert run.status == 1


@needs_namespaces
def test_a_load_of_which_half_is_never_sent_is_an_error(suite: Suite) -> None:
    run = suite.run("starts-half-of-the-load", JOINED)
    assert run.verdict == ("broken", ANSWERED), run.output
    assert re.search(r"the load was not what it should be: \d+ requests, 4 never sent", run.message), run.message
    assert run.status == 1


@needs_namespaces
def test_a_known_defect_that_is_gone_fails(suite: Suite) -> None:
    run = suite.run("counts-no-migration", KNOWN_DEFECT)
    assert run.verdict == ("failed", None), run.output
    assert run.message.startswith(f'The defect is gone: remove @known_defect from "{KNOWN_DEFECT}')
    assert run.status == 1


@needs_namespaces
@pytest.mark.parametrize("scenario", [MOVED, LEFT, JOINED], ids=["moved", "left", "joined"])
def test_the_proxies_themselves_change_nothing(suite: Suite, scenario: str) -> None:
    run = suite.run("nothing", scenario)
    assert run.verdict == ("passed", None), run.output
    assert run.status == 0


def test_what_a_run_leaves_is_seen(suite: Suite) -> None:
    environment = os.environ | {"TMPDIR": str(suite.temporary)}
    with subprocess.Popen([sys.executable, "-c", "input()"], env=environment, stdin=subprocess.PIPE) as left:
        assert suite.processes() == [left.pid]
        left.communicate(b"\n")
    assert suite.processes() == []
