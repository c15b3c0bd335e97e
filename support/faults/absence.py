"""A component is away for a while: it is asked to end, has ended, and is started again when it is healed."""

from __future__ import annotations

from support.deployment import Component
from support.errors import FaultError
from support.faults import Fault
from support.faults.rolling import ENDS_WITHIN
from support.waiting import eventually


class Absence(Fault):
    """As when a deployment is scaled to 0 and back to 1. It drains first, as it promises to."""

    kinds = ("absence",)
    name = "away"
    lasting = True

    def __init__(self, component: Component) -> None:
        self.victim = component.name
        self._component = component
        self._asked = False

    def inject(self) -> None:
        self._asked = True
        self._component.terminate()
        eventually(
            lambda: not self._component.running,
            within=ENDS_WITHIN,
            describe=f"{self.victim} has ended",
            error=FaultError,
        )

    def verify(self) -> str:
        if self._component.running:
            raise FaultError(f"{self.victim} is to be away, and runs as process {self._component.pid}")
        return f"{self.victim} has ended with {self._component.ends[-1]}"

    def heal(self) -> None:
        if self._asked and not self._component.running:
            self._asked = False
            self._component.restart()
