"""Negative controls, as tests/test_negative_controls.py, of what only a cluster does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.controls.cluster import area
from tests.controls.suite import Control, Suite, leaving_nothing
from tests.on_cluster import IMAGE, PREFIX, leaving_no_namespace

API = ("lose_api=false", "return_api=true")
"""Commands, of which the first one fails unless the control keeps it from being run."""
AREA = area("target=kubernetes", f"image={IMAGE}", f"namespace={PREFIX}", *API)


@pytest.fixture
def suite(tmp_path: Path) -> Iterator[Suite]:
    with leaving_no_namespace():
        yield from leaving_nothing(AREA, tmp_path)


@pytest.mark.parametrize("control", AREA.fail, ids=lambda one: one.broken)
def test_a_broken_promise_fails_its_scenario(suite: Suite, control: Control) -> None:
    suite.shows(control, as_="failed")


@pytest.mark.parametrize("control", AREA.errors, ids=lambda one: one.broken)
def test_what_did_not_happen_is_an_error(suite: Suite, control: Control) -> None:
    suite.shows(control, as_="broken")
