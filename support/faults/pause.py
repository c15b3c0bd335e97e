"""A component is frozen: it holds its connections, answers nothing, and nothing tells that it is not just slow."""

from __future__ import annotations

from support.deployment import Component
from support.errors import FaultError
from support.faults import Fault


class Pause(Fault):
    """Freezes a component (SIGSTOP) until it is healed (SIGCONT)."""

    kinds = ("pause", "freeze")
    name = "frozen"
    lasting = True

    def __init__(self, component: Component) -> None:
        self.victim = component.name
        self._component = component

    def inject(self) -> None:
        self._component.pause()

    def verify(self) -> str:
        try:
            self._component.metrics()
        except ConnectionError:
            return f"{self.victim} does not answer for its metrics"
        raise FaultError(f"{self.victim} was frozen and still answers for its metrics")

    def heal(self) -> None:
        if self._component.running:
            self._component.resume()
