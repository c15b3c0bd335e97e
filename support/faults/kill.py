"""A component is killed: SIGKILL, no goodbye."""

from __future__ import annotations

from support.deployment import Component
from support.errors import FaultError
from support.faults import Fault


class Kill(Fault):
    """Ends a component at once. It cannot be taken back: the deployment is replaced after the scenario."""

    kinds = ("kill", "pod_kill")
    name = "killed"

    def __init__(self, component: Component) -> None:
        self.victim = component.name
        self._component = component
        self._pid: int | None = None

    def inject(self) -> None:
        self._pid = self._component.pid
        self._component.kill()

    def verify(self) -> str:
        if self._component.running and self._component.pid == self._pid:
            raise FaultError(f"{self.victim} was killed and still runs as process {self._pid}")
        return f"process {self._pid} of {self.victim} is gone"
