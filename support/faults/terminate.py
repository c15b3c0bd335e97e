"""A component is asked to end: SIGTERM, as Kubernetes does with a pod that it deletes, or SIGINT, as a user does."""

from __future__ import annotations

from typing import ClassVar

from support.deployment import Component
from support.errors import FaultError
from support.faults import Fault
from support.waiting import eventually

TOLD_WITHIN = 10.0
"""Seconds in which a component must show that it heard: it says so in its log, or it has ended."""
_SAYS = ("shut", "drain", "signal", "SIGTERM", "stopping")


class Terminate(Fault):
    """Asks a component to end, and goes on when it is seen to have heard. What it does then is its own promise."""

    kinds: ClassVar[tuple[str, ...]] = ("terminate", "pod_delete")
    name = "asked to end"

    def __init__(self, component: Component) -> None:
        self.victim = component.name
        self._component = component
        self._logged = 0

    def inject(self) -> None:
        self._logged = len(self._component.logs())
        self._component.terminate()

    def verify(self) -> str:
        return eventually(
            self._heard, within=TOLD_WITHIN, describe=f"{self.victim} shows that it is to end", error=FaultError
        )

    def _heard(self) -> str:
        if not self._component.running:
            return f"{self.victim} has ended"
        new = self._component.logs()[self._logged :].splitlines()
        said = [line for line in new if any(word in line for word in _SAYS)]
        return f"{self.victim} says: {said[0].strip()}" if said else ""


class Interrupt(Terminate):
    """The same in the way of a user at a keyboard."""

    kinds = ("interrupt",)
    name = "interrupted"

    def inject(self) -> None:
        self._logged = len(self._component.logs())
        self._component.interrupt()
