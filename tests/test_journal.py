"""Every fault that was begun is taken back, whatever the others say."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from support.errors import FaultError, LeftOut
from support.faults import Fault
from support.faults.journal import Journal


def fault(victim: str, healed: list[str], *, trouble: Exception | None = None, inject: Any = None) -> Fault:
    """trouble: of its healing."""

    def heal() -> None:
        healed.append(victim)
        if trouble:
            raise trouble

    made = SimpleNamespace(
        victim=victim,
        name="struck",
        lasting=True,
        slows_clients=False,
        available=lambda target: None,
        inject=inject or (lambda: None),
        verify=lambda: "it was seen",
        heal=heal,
    )
    return cast(Fault, made)


@pytest.mark.parametrize("trouble", [FaultError("it is stuck"), OSError("no way"), AssertionError("not yet")])
def test_one_that_cannot_be_taken_back_is_told_of_when_all_others_are(trouble: Exception) -> None:
    healed: list[str] = []
    journal = Journal(cast(Any, None))
    journal.inject(fault("a", healed), fault("b", healed, trouble=trouble), fault("c", healed))
    with pytest.raises(FaultError, match=f"not healed: b struck: {trouble}"):
        journal.heal()
    assert healed == ["c", "b", "a"]
    journal.heal()
    assert healed == ["c", "b", "a"]


def test_what_was_left_out_needs_no_healing_and_stops_none() -> None:
    def leave_out() -> None:
        raise LeftOut("that is for its owner")

    healed: list[str] = []
    journal = Journal(cast(Any, None))
    left_out = fault("b", healed, inject=leave_out, trouble=LeftOut("that is for its owner"))
    with pytest.raises(LeftOut):
        journal.inject(fault("a", healed), left_out)
    journal.heal()
    assert healed == ["b", "a"]
