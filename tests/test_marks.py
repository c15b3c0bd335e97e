"""Marks: written, read back, and refused when they make no sense."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.errors import UsageError
from support.marks import Fault, Marks, Phase


def test_marks_are_read_as_they_were_written(tmp_path: Path) -> None:
    marks = Marks(
        phases=[Phase("STANDARD", 1.0, 2.0), Phase("OVERFLOW", 2.0, 3.0)],
        faults=[Fault(name="frozen", target="vllm-worker-0", begin=2.0, evidence="it does not answer")],
    )
    marks.write(tmp_path)
    assert Marks.read(tmp_path) == marks


@pytest.mark.parametrize(
    ("phases", "words"),
    [
        ([Phase("LUNCH", 1, 2)], "no phase 'LUNCH'"),
        ([Phase("STANDARD", 2, 1)], "ends before it begins"),
        ([Phase("STANDARD", 1, 3), Phase("OVERFLOW", 2, 4)], "overlap"),
        ([Phase("RECOVERY", 1, 2), Phase("STANDARD", 2, 3)], "out of order"),
    ],
)
def test_phases_that_make_no_sense_are_refused(phases: list[Phase], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Marks(phases=phases)


def test_missing_marks_are_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no marks"):
        Marks.read(tmp_path)
