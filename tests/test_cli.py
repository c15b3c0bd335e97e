"""The command line: what behave is called with, and one sentence for every mistake."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import pytest

from support.cli.checks import CHECKS, Check, check
from support.cli.specifications import behave_arguments, settings_of, values
from support.errors import UsageError
from support.settings import ROOT, Settings

DEFAULT = "--tags=not @slow and not @wip"


@pytest.mark.parametrize(
    ("typed", "called"),
    [
        ([], [DEFAULT]),
        (["support"], ["support", DEFAULT]),
        (["-t", "@vllm", "--tags=@nats"], ["-t", "@vllm", "--tags=@nats", DEFAULT]),
        (["-t@slow"], ["-t@slow", "--tags=not @wip"]),
        (["-f", "plain", "-o", "-", "--stop"], ["-f", "plain", "-o", "-", "--stop", DEFAULT]),
    ],
)
def test_behave_gets_what_was_typed_and_the_default_selection(typed: list[str], called: list[str]) -> None:
    assert behave_arguments(typed, cwd=ROOT) == called


def test_paths_mean_the_folder_in_which_they_were_typed(tmp_path: Path) -> None:
    (tmp_path / "a.feature").touch()
    typed = [
        "a.feature:12",
        "plain",
        "-D",
        "log_dir=out",
        "-Detcd=bin",
        "-Dgraph=g",
        "-D",
        "backend=vllm",
        "..",
        "-t",
        "@vllm",
    ]
    assert behave_arguments(typed, cwd=tmp_path)[:-1] == [
        f"{tmp_path}/a.feature:12",
        "plain",
        "-D",
        f"log_dir={tmp_path}/out",
        f"-Detcd={tmp_path}/bin",
        f"-Dgraph={tmp_path}/g",
        *typed[6:],
    ]


def test_an_option_is_found_however_it_is_written() -> None:
    typed = ["-t", "a", "-tb", "--tags", "c", "--tags=d", "--tags-help", "t"]
    assert list(values(typed, "-t", "--tags")) == ["a", "b", "c", "d"]
    with pytest.raises(UsageError, match="needs a value"):
        list(values(["-t"], "-t", "--tags"))


def test_settings_come_from_definitions() -> None:
    settings = settings_of(["backend=sglang", "fresh", " timeout_scale = 2 "])
    assert (settings.backend, settings.fresh, settings.timeout_scale) == ("sglang", True, 2.0)
    with pytest.raises(UsageError, match="KEY=VALUE"):
        settings_of(["=vllm"])


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        (["run", "-t", "~@wip"], "write -t 'not @wip'"),
        (["run", "-t", "@vlm"], "did you mean @vllm?"),
        (["run", "-D", "bakend=vllm"], "did you mean 'backend'?"),
        (["run", "-D", "backend=vlm"], "vllm, sglang, trtllm"),
        (["run", "-D", "dynamo=0.0.1"], "./specs setup --dynamo 0.0.1"),
        (["run", "-D"], "needs a value"),
        (["run", "features/nope"], "there is no features/nope"),
        (["run", "x.feature:12"], "there is no x.feature"),
        (["up", "-D", "request_plane=udp"], "tcp, nats"),
        (["walk"], "./specs --help"),
        (["doctor", "--yaml"], "./specs --help"),
    ],
)
def test_a_mistake_is_one_sentence_and_status_2(typed: list[str], sentence: str) -> None:
    ended = _specs(*typed)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("specs: ")
    assert ended.stderr.count("\n") == 1
    assert sentence in ended.stderr


def test_help_names_every_command() -> None:
    said = _specs("--help").stdout
    assert all(f"\n  {command} " in said for command in ("run", "test", "up", "shell", "doctor", "setup", "cleanup"))
    told = _specs("run", "--help").stdout
    assert "ANYTHING BEHAVE TAKES" in told
    words = set(re.findall(r"\w+", told))
    assert [one.name for one in fields(Settings) if one.name not in words] == []


def test_every_check_runs_and_the_first_failure_is_the_status(capfd: pytest.CaptureFixture[str]) -> None:
    checks = [
        _saying("first", "all good", 0),
        _saying("second", "1 failed", 3),
        _saying("third", "noise\nRan 7\nnoise", 4, r"Ran \d+"),
    ]
    assert check(checks) == 3
    summary = capfd.readouterr().out.partition("== summary")[2].split("\n")
    assert [line.strip() for line in summary if "noise" not in line and "," not in line and line] == [
        "all good",
        "1 failed",
        "Ran 7",
    ]
    assert "FAILED (exit status 4) third" in "\n".join(summary)
    assert check(checks[:1]) == 0


def test_a_scenario_that_failed_is_told_with_its_reason(capfd: pytest.CaptureFixture[str]) -> None:
    (features,) = [one for one in CHECKS if one.failures]
    words = """
    passed          3.81 s A client leaves [vLLM]
    ERROR           1.20 s A client awaits [vLLM]   features/one.feature:7
                           And it is alone
                           the page was silent
                           which is all that is known
    1 scenario passed, 1 failed, 749 skipped
    """
    failing = _saying("features", words, 1, features.closing)
    assert check([replace(failing, failures=features.failures)]) == 1
    summary = capfd.readouterr().out.partition("== summary")[2].splitlines()
    assert [line.strip() for line in summary[2:]] == [
        "ERROR           1.20 s A client awaits [vLLM]   features/one.feature:7",
        "And it is alone",
        "the page was silent",
        "1 scenario passed, 1 failed, 749 skipped",
    ]


def _saying(name: str, words: str, status: int, closing: str = ".+") -> Check:
    program = f"import sys; print({words!r}); sys.exit({status})"
    return Check(name=name, command=(sys.executable, "-c", program), closing=closing)


def _specs(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "support.cli", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
