"""A component is ended at once and started again, as by an operator who is in a hurry."""

from __future__ import annotations

from support.deployment import Component
from support.errors import FaultError
from support.faults import Fault


class Restart(Fault):
    """Ends a component without a grace period and starts it anew; goes on when it is up by its own account."""

    kinds = ("restart",)
    name = "restarted"

    def __init__(self, component: Component) -> None:
        self.victim = component.name
        self._component = component
        self._was: int | None = None

    def inject(self) -> None:
        self._was = self._component.pid
        self._component.restart()

    def verify(self) -> str:
        if self._component.pid == self._was:
            raise FaultError(f"{self.victim} was to be restarted and is still the same process, {self._was}")
        return f"{self.victim} was process {self._was} and is process {self._component.pid}"
