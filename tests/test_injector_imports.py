"""The injection service stands on its own feet: it could be taken out of this project."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from injector.agents.keeper import read, written
from injector.agents.plans import Cycle, Plan, Strain
from support.settings import ROOT


def imported(file: Path) -> set[str]:
    """Every module that it names in an import."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


def test_it_imports_nothing_of_the_suite() -> None:
    files = list((ROOT / "injector").rglob("*.py"))
    assert len(files) > 20
    rooms = ("support", "steps", "tests", "behave", "environment")
    lapses = {
        f"{file.relative_to(ROOT)}: {name}" for file in files for name in imported(file) if name.split(".")[0] in rooms
    }
    assert not lapses


def test_an_agent_knows_nothing_of_the_service() -> None:
    files = (ROOT / "injector" / "agents").rglob("*.py")
    assert not {file.name for file in files if any("api_service" in name for name in imported(file))}


def test_what_a_keeper_needs_is_the_standard_library() -> None:
    """It starts quickly, and also where nothing is installed."""
    agents = ROOT / "injector" / "agents"
    needs = imported(agents / "keeper.py") | imported(agents / "processes.py")
    assert not {name for name in needs if name.startswith("injector")} - {
        "injector.agents.processes",
        "injector.agents.plans",
        "injector.agents.nvml",
        "injector.agents.cuda",
    }
    assert not needs & {"pydantic", "httpx", "fastapi"}


STRAIN: Strain = {"gpu": "GPU-5f2e-1", "address": "0000:65:00", "does": "clock", "amount": 705}


def test_a_plan_is_read_as_it_was_written() -> None:
    cycle: Cycle = {"period": 0.1, "share": 0.25}
    plans: list[Plan] = [
        {"leaders": [(5, 77)], "frozen": True, "cycle": None, "limits": {}, "limited": [], "strain": None},
        {
            "leaders": [(5, 77), (6, 78)],
            "frozen": False,
            "cycle": cycle,
            "limits": {"5": -1, "": 9},
            "limited": [4, 5],
            "strain": None,
        },
        {"leaders": [], "frozen": False, "cycle": None, "limits": {}, "limited": [], "strain": STRAIN},
    ]
    assert [read(written(plan)) for plan in plans] == plans
    with pytest.raises(ValueError, match="not enough values"):
        read("nonsense")
