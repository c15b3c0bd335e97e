"""Runs side by side: who gets which scenarios, and that together they are one run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from behave.parser import parse_steps

from support.cli.parallel import _settle, jobs_of
from support.errors import UsageError
from support.parts import Part, divide
from support.put_off import PutOff
from support.settings import ROOT
from support.waiting import eventually
from tests.in_lab import kill_and_expect_nothing_left, needs_lab, processes_of


def scenario(rule: str, *tags: str, file: str = "a.feature", does: str = "it is killed") -> Any:
    """As much of behave's as a division looks at."""
    made = SimpleNamespace(
        effective_tags=list(tags),
        parent=SimpleNamespace(name=rule),
        location=SimpleNamespace(filename=file),
        steps=parse_steps(f"When {does}\nThen it serves again within 90 seconds"),
        kept=True,
    )
    made.mark_skipped = lambda: setattr(made, "kept", False)
    return made


@pytest.mark.parametrize(
    ("arguments", "jobs", "rest"),
    [
        (["-t", "@smoke"], 1, ["-t", "@smoke"]),
        (["-j", "3", "-t", "@smoke"], 3, ["-t", "@smoke"]),
        (["-j2"], 2, []),
        (["--jobs=4", "features"], 4, ["features"]),
        (["--junit", "--jobs", "2"], 2, ["--junit"]),
    ],
)
def test_how_many_are_asked_for(arguments: list[str], jobs: int, rest: list[str]) -> None:
    assert jobs_of(arguments) == (jobs, rest)


@pytest.mark.parametrize("arguments", [["-j", "0"], ["-j"], ["--jobs=many"], ["-j", "-t"]])
def test_a_number_of_runs_that_is_none(arguments: list[str]) -> None:
    with pytest.raises(UsageError, match=r"say how many runs side by side, a whole number from 1 on"):
        jobs_of(arguments)


def test_every_scenario_is_in_one_part_and_in_order() -> None:
    given = [scenario(f"rule {n // 4}", ("vllm", "sglang")[n % 2]) for n in range(40)]
    parts = divide(given, 3)
    assert sorted(id(one) for part in parts for one in part) == sorted(map(id, given))
    assert parts[0] == []
    assert [len(part) for part in parts[1:]] == [14, 14, 12]
    for part in parts:
        places = [given.index(one) for one in part]
        assert places == sorted(places)


def test_what_may_share_a_deployment_stays_together() -> None:
    given = [scenario("rule", backend) for backend in ("vllm", "sglang", "trtllm") for _ in range(3)]
    given += [scenario("rule", "vllm", file="b.feature") for _ in range(3)]
    groups = [{(*one.effective_tags, one.location.filename) for one in part} for part in divide(given, 4)[1:]]
    assert sorted(map(len, groups)) == [1, 1, 1, 1]


@pytest.mark.parametrize(
    "does",
    [
        "it is gone for 90 seconds",
        "this happens\n| what | when |\n| gone for 85 seconds | at once |\n| killed | 5 seconds later |",
    ],
)
def test_what_lasts_long_weighs_more(does: str) -> None:
    """90 seconds, and 30 for the scenario, are as long as 4 scenarios of a moment."""
    given = [scenario("long", does=does), *(scenario(f"rule {n}") for n in range(4))]
    assert divide(given, 2)[1:] == [given[:1], given[1:]]


def test_what_must_run_alone_is_part_0() -> None:
    given = [scenario("rule", "vllm"), scenario("rule", "vllm", "serial")]
    alone, *others = divide(given, 2)
    assert alone == given[1:]
    assert others == [given[:1], []]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_what_will_be_skipped_weighs_nothing(number: int) -> None:
    rules = [[scenario(f"rule {n}", backend) for backend in ("vllm", "sglang", "trtllm")] for n in range(9)]
    here, skipped = [each[0] for each in rules], [one for each in rules for one in each[1:]]
    assert Part(number, 3).keep(here, skipped) == 3 + 6
    assert sum(one.kept for one in here) == 3


def test_a_part_says_who_it_is() -> None:
    assert Part.of_environment({}) is None
    for part in (Part(2, 3), Part(0, 3, ("features/a b.feature:7", "features/c.feature:12"))):
        assert Part.of_environment({"DYNAMO_FAULT_SPECS_PART": str(part)}) == part


def test_part_0_runs_what_others_have_put_off_as_well() -> None:
    given = [scenario(f"rule {n}", file=f"{n}.feature") for n in range(4)] + [scenario("rule", "serial")]
    assert Part(0, 2, (str(given[1].location),)).keep(given) == 2
    assert [one.kept for one in given] == [False, True, False, False, True]


def test_whoever_was_put_off_and_did_not_run_again_fails_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [tmp_path / number / "allure-results" for number in ("0", "1")]
    told = {name: json.dumps({"name": name, "status": "skipped"}) for name in ("a", "b")}
    for folder in folders:
        folder.mkdir(parents=True)
    (folders[0] / "x-result.json").write_text(json.dumps({"name": "a", "status": "passed"}))
    (folders[0] / "y-result.json").write_text('{"name": "b", "sta')
    for name, text in told.items():
        (folders[1] / f"{name}-result.json").write_text(text)
    put_off = [PutOff(f"x.feature:{name}", name, str(tmp_path / "1" / "evidence" / name)) for name in told]
    assert _settle(put_off, tmp_path / "0") == 1
    assert capsys.readouterr().err == "specs: this was put off, and did not run again: x.feature:b b\n"
    assert [file.name for file in folders[1].iterdir()] == ["b-result.json"]
    assert _settle(put_off[:1], tmp_path / "0") == 0


def run(arguments: Sequence[str], folder: Path) -> subprocess.Popen[str]:
    (folder / "temporary").mkdir()
    return subprocess.Popen(
        [sys.executable, "-m", "support.cli", "run", *arguments, "-D", f"log_dir={folder / 'log'}"],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(folder / "temporary")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@needs_lab
def test_two_runs_make_one_report(tmp_path: Path) -> None:
    with run(["-j", "2", "features/migration/killed_worker.feature", "-t", "@vllm and not @nats"], tmp_path) as process:
        said, _ = process.communicate(timeout=120)
    assert process.returncode == 0, said
    log = tmp_path / "log"
    results = [json.loads(path.read_text()) for path in (log / "allure-results").glob("*-result.json")]
    assert sorted(result["status"] for result in results) == ["passed", "passed", "skipped", "skipped"]
    assert len(list((log / "evidence").iterdir())) == 4
    assert len(list((log / "junit").iterdir())) == 2
    assert f"log_dir={log}\n" in (log / "allure-results" / "environment.properties").read_text()
    assert "4 scenarios: 2 passed, 0 failed, 0 error, 2 known defect, 0 skipped" in said
    assert {line[:2] for line in said.splitlines() if "| " in line[:3]} == {"1|", "2|"}
    assert (log / "report.html").stat().st_size > 100_000
    assert not (log / "parts").exists()
    assert list((tmp_path / "temporary").iterdir()) == []


@needs_lab
def test_nothing_selected_is_refused(tmp_path: Path) -> None:
    with run(["-j", "2", "-n", "no such scenario"], tmp_path) as process:
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 2, said
    assert said.count("specs: no scenario is selected of") == 1
    assert len(said.splitlines()) == 1, said


@needs_lab
def test_after_a_kill_nothing_is_left(tmp_path: Path) -> None:
    with run(["-j", "2", "-t", "@migration and @vllm"], tmp_path) as process:
        eventually(lambda: len(processes_of(tmp_path)) > 15, within=60, describe="deployments are up")
        kill_and_expect_nothing_left(process, tmp_path)  # type: ignore[arg-type]  # text or bytes: it is killed


@needs_lab
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT], ids=lambda how: how.name)
def test_whoever_ends_a_run_ends_all_of_it(tmp_path: Path, how: signal.Signals) -> None:
    features = ["features/migration/killed_worker.feature", "features/deployment/neighbours.feature"]
    with run(["-j", "2", *features, "-t", "@vllm and not @nats"], tmp_path) as process:
        eventually(lambda: len(processes_of(tmp_path)) > 15, within=60, describe="deployments are up")
        process.send_signal(how)
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 1, said
    assert "report: " in said
    assert not any(line.startswith("0|") for line in said.splitlines()), "what runs alone was not begun"
    assert list((tmp_path / "temporary").iterdir()) == []


FEATURE = """Feature: A machine with little room
  Scenario: One that is timed
    When it takes long beside others

  Scenario: One that is not
    When it takes a moment
"""
STEPS = """
from behave import when
from support.errors import TooBusy
from support.parts import Part

@when("it takes long beside others")
def take_long(context):
    part = Part.of_environment()
    context.world.folder.mkdir(parents=True)
    (context.world.folder / "part").write_text(str(part.number))
    if part.number or {still_busy}:
        raise TooBusy("this machine is too busy to tell how long it takes")

@when("it takes a moment")
def take_a_moment(context):
    pass
"""


def project_with(folder: Path, *, still_busy: bool) -> Path:
    """Features of its own for behave, with this project's hooks."""
    for name, text in (
        ("features/room.feature", FEATURE),
        ("steps/steps.py", STEPS.format(still_busy=still_busy)),
        ("environment.py", (ROOT / "environment.py").read_text()),
    ):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder / "features"


@needs_lab
@pytest.mark.parametrize(
    ("still_busy", "status", "timed"), [(False, 0, "passed"), (True, 1, "broken")], ids=["room at last", "never"]
)
def test_what_the_machine_was_too_busy_for_runs_again_alone(
    tmp_path: Path, still_busy: bool, status: int, timed: str
) -> None:
    features = project_with(tmp_path / "project", still_busy=still_busy)
    with run(["-j", "2", str(features)], tmp_path) as process:
        said, _ = process.communicate(timeout=60)
    assert process.returncode == status, said
    log = tmp_path / "log"
    results = [json.loads(path.read_text()) for path in (log / "allure-results").glob("*-result.json")]
    assert {one["name"]: one["status"] for one in results} == {"One that is timed": timed, "One that is not": "passed"}
    assert len(results) == 2
    assert [file.read_text() for file in (log / "evidence").glob("*/part")] == ["0"], (
        "of the first attempt nothing is left"
    )
    assert "too busy to tell how long it takes - it runs again when the others are done" in said
    assert [line.split()[1] for line in said.splitlines() if line.startswith("0|     ")][:1] == [
        {"passed": "passed", "broken": "ERROR"}[timed]
    ]
