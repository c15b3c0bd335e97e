"""docs/promises.md names scenarios that there are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

import pytest
from behave.parser import parse_file

from support.settings import ROOT

ELSEWHERE = ("features/", "...", "not specified", "the same")
"""How a cell begins that names none: a file, more of the one before, why there is none."""


@cache
def names() -> list[str]:
    features = sorted((ROOT / "features").rglob("*.feature"))
    return [one.name for file in features for one in parse_file(str(file)).walk_scenarios()]


def named(text: str) -> Iterator[str]:
    """What the tables name. "..." stands for any words, and what is in brackets for other values."""
    for line in text.splitlines():
        cells = line.strip("|").split(" | ")
        if line.startswith("| ") and cells[-2].strip() != "scenario":
            every = (one.strip() for one in cells[-2].split(";"))
            yield from (one for one in every if one and not one.startswith(ELSEWHERE))


def unknown(text: str) -> list[str]:
    def pattern(name: str) -> str:
        parts = (one.strip() for one in re.split(r"\.\.\.|\(.*?\)", name))
        return ".*".join(re.escape(one) for one in parts if one)

    return [one for one in named(text) if not any(re.match(pattern(one), name) for name in names())]


def test_every_scenario_that_is_named_is_there() -> None:
    text = (ROOT / "docs" / "promises.md").read_text()
    assert len(list(named(text))) > 100
    assert unknown(text) == []


@pytest.mark.parametrize(
    ("cell", "is_there"),
    [
        ("A killed worker costs a stream nothing (TCP and NATS)", True),
        ("A killed worker ... nothing over NATS", True),
        ("A killed worker costs a stream nothing; A worker that flies", False),
        ("A killed worker costs ... everything", False),
        ("not specified: a race of 2 ms", True),
    ],
)
def test_a_name_that_is_no_scenario_s_is_found(cell: str, is_there: bool) -> None:
    assert (
        unknown(f"| id | promise | scenario | seen |\n|---|---|---|---|\n| A | a | {cell} | kept |") == []
    ) is is_there
