"""Negative controls: on a deployment that is broken on purpose, the right scenario fails, and says what a reader needs.

The tables are in tests/controls/, the ways of breaking in tests/broken*.py. Each control runs in a lab of its own, so
that several can run at a time (`pytest -n 2 -m side_by_side`), but for those that need the machine for themselves.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.local import lab
from tests.controls import (
    endings,
    etcd,
    hardware,
    http,
    leaving,
    migration,
    neighbours,
    storm,
    streams,
    workers,
)
from tests.controls.suite import Area, Control, Suite, leaving_nothing

AREAS = [
    module.AREA for module in (streams, leaving, endings, migration, workers, http, neighbours, storm, etcd, hardware)
]
COUNTED_DEFECT = "A stream that was not moved is not counted as moved"

_no_lab = lab.unavailable()
needs_namespaces = pytest.mark.skipif(_no_lab is not None, reason=f"needs namespaces: {_no_lab}")


@pytest.fixture
def suite(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Suite]:
    """That of the area which the test names; it leaves nothing."""
    yield from leaving_nothing(request.param, tmp_path)


def with_controls(kind: str) -> pytest.MarkDecorator:
    """A test for each control of this kind (a field of `Area`), as (suite, control)."""
    return pytest.mark.parametrize(
        ("suite", "control"),
        [_case(area, control) for area in AREAS for control in getattr(area, kind)],
        indirect=["suite"],
    )


def _case(area: Area, control: Control | str) -> Any:
    shown = control if isinstance(control, str) else control.broken
    return pytest.param(area, control, id=f"{area.name}: {shown}", marks=[] if area.alone else pytest.mark.side_by_side)


@needs_namespaces
@with_controls("fail")
def test_a_broken_promise_fails_its_scenario(suite: Suite, control: Control) -> None:
    suite.shows(control, as_="failed")


@needs_namespaces
@with_controls("errors")
def test_what_did_not_happen_is_an_error(suite: Suite, control: Control) -> None:
    suite.shows(control, as_="broken")


@needs_namespaces
@with_controls("unchanged")
def test_the_means_of_breaking_change_nothing_by_themselves(suite: Suite, control: str) -> None:
    run = suite.run("nothing", control)
    assert run.verdict == ("passed", None), run.output
    assert run.status == 0


@needs_namespaces
@pytest.mark.side_by_side
@pytest.mark.parametrize("suite", [streams.AREA], indirect=True)
def test_a_known_defect_that_is_gone_fails(suite: Suite) -> None:
    run = suite.run("counts-no-migration", COUNTED_DEFECT)
    assert run.verdict == ("failed", None), run.output
    assert run.message.startswith(f'The defect is gone: remove @known_defect from "{COUNTED_DEFECT}')
    assert run.status == 1


@pytest.mark.parametrize("suite", [streams.AREA], indirect=True)
def test_what_a_run_leaves_is_seen(suite: Suite) -> None:
    environment = os.environ | {"TMPDIR": str(suite.temporary)}
    with subprocess.Popen([sys.executable, "-c", "input()"], env=environment, stdin=subprocess.PIPE) as left:
        assert suite.processes() == [left.pid]
        left.communicate(b"\n")
    assert suite.processes() == []
