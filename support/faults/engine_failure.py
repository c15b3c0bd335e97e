"""A worker's engine fails for good, as when its GPU has gone: the worker itself is there and hears of it."""

from __future__ import annotations

from support.deployment import Component
from support.errors import FaultError, UsageError
from support.faults import Fault
from support.spec import GENERATING
from support.waiting import eventually

SAID_WITHIN = 5.0
"""Seconds in which the engine must say that it has failed."""
_SAYS = "has failed for good"
"""What the counting engine writes then (support/engines/counting.py)."""


class EngineFailure(Fault):
    """What the worker does then is its own promise. It cannot be taken back."""

    kinds = ("engine_failure",)
    name = "without its engine"

    def __init__(self, component: Component) -> None:
        if component.role not in GENERATING:
            raise UsageError(f"{component.name} has no engine that could fail: only workers have")
        self.victim = component.name
        self._component = component

    def inject(self) -> None:
        self._component.fail_engine()

    def verify(self) -> str:
        eventually(
            lambda: _SAYS in self._component.logs(),
            within=SAID_WITHIN,
            describe=f"the engine of {self.victim} says that it has failed",
            error=FaultError,
        )
        return f"the engine of {self.victim} says that it has failed for good"
