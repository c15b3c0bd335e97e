"""Two runs side by side: equal ones are noise, a real shift is found, and nothing is said of too little."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from support.errors import UsageError
from support.results.compare import Compared, compare, table
from support.settings import ROOT
from tests.made_records import folder, record


def run(path: Path, *, seed: int, slower: float = 0.0, seconds: int = 12) -> Path:
    """A run of one scenario: 20 requests a second, whose seconds are good or bad together."""
    chance = np.random.default_rng(seed)
    records = []
    for second in range(seconds):
        mood = chance.uniform(0.4, 0.6)
        for each in range(20):
            took = float(mood + chance.exponential(0.02) + slower)
            records.append(record(second * 20 + each, second + each / 20, took))
    folder(path / "evidence" / "a-scenario" / "load", records)
    return path


def verdicts(compared: list[Compared]) -> dict[str, str]:
    return {one.measure: one.verdict for one in compared}


def test_a_real_shift_is_found(tmp_path: Path) -> None:
    found = compare(run(tmp_path / "a", seed=1), run(tmp_path / "b", seed=2, slower=0.2))
    assert verdicts(found)["latency p50, ms"] == "difference"
    assert verdicts(found)["latency p99, ms"] == "difference"
    assert verdicts(found)["success, percent"] == "noise"
    (p50,) = [one for one in found if one.measure == "latency p50, ms"]
    assert p50.low is not None
    assert p50.high is not None
    assert 0 < p50.low < 200 < p50.high < 400
    assert "difference" in table(found)


def test_equal_runs_are_noise_nearly_always(tmp_path: Path) -> None:
    false = 0
    for seed in range(20):
        found = compare(run(tmp_path / f"a{seed}", seed=seed), run(tmp_path / f"b{seed}", seed=1000 + seed))
        false += sum(one.verdict == "difference" for one in found)
    assert false <= 6, f"{false} of 100 comparisons of equal runs were called a difference"


def test_of_too_little_nothing_is_said(tmp_path: Path) -> None:
    found = compare(run(tmp_path / "a", seed=1, seconds=2), run(tmp_path / "b", seed=2, seconds=2, slower=5))
    assert set(verdicts(found).values()) == {"not enough data"}


def struck(path: Path, *, back_after: float, gap_ms: float) -> Path:
    """A run that fails for a while after a fault at 10 s, and whose tokens come so many milliseconds apart."""
    records = []
    for number in range(600):
        due = number / 20
        how = {"status": "error", "error_class": "reset"} if 10 <= due < 10 + back_after else {}
        records.append(record(number, due, 0.5, gaps_ms=[gap_ms] * 3, **how))
    phases = [("STANDARD", 0, 10), ("OVERFLOW", 10, 12), ("RECOVERY", 12, 30)]
    folder(path / "evidence" / "a-scenario" / "load", records, phases=phases, fault=10.0)
    return path


def test_phases_gaps_and_recovery_are_compared(tmp_path: Path) -> None:
    before, after = struck(tmp_path / "a", back_after=1, gap_ms=20), struck(tmp_path / "b", back_after=9, gap_ms=35)
    found = {one.measure: one for one in compare(before, after)}
    assert found["gap of tokens p99, ms"].verdict == "difference"
    assert found["tokens lost per request"].verdict == "noise"
    assert found["STANDARD: success, percent"].verdict == "noise"
    assert found["RECOVERY: success, percent"].verdict == "difference"
    assert "OVERFLOW: success, percent" not in found, "2 seconds are too few"
    steady = found["steady success, s"]
    assert (steady.before, steady.after, steady.verdict) == (1.0, 9.0, "one value each")


def test_folders_that_are_no_runs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no folder of a run"):
        compare(tmp_path, tmp_path)
    (tmp_path / "x" / "evidence").mkdir(parents=True)
    with pytest.raises(UsageError, match="no scenario under load in common"):
        compare(run(tmp_path / "a", seed=1), tmp_path / "x")


def test_the_command_shows_the_table_and_refuses_in_one_sentence(tmp_path: Path) -> None:
    before, after = run(tmp_path / "a", seed=1), run(tmp_path / "b", seed=2)
    command = [sys.executable, "-m", "support.cli", "compare"]
    told = subprocess.run([*command, before, after], cwd=ROOT, capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    assert "a scenario\n  success, percent" in told.stdout
    wrong = subprocess.run([*command, before, tmp_path / "nowhere"], cwd=ROOT, capture_output=True, text=True)
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("specs: ")
    assert wrong.stderr.count("\n") == 1
