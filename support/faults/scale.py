"""A deployment gets a worker more, or one less, while it serves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from support.deployment import Component, Deployment
from support.errors import FaultError
from support.faults import Fault, Stage, refuse_unknown
from support.spec import Role


class ScaleUp(Fault):
    """One more component of the victims' role; the frontend lists it."""

    kinds = ("scale_up",)
    name = "added"

    def __init__(self, deployment: Deployment, role: Role) -> None:
        self.victim = f"one more {role}"
        self._deployment = deployment
        self._role: Role = role
        self._before = 0

    @classmethod
    def of(cls, stage: Stage, victims: Sequence[Component], parameters: Mapping[str, str]) -> list[Fault]:
        refuse_unknown(cls.kinds[0], parameters)
        return [cls(stage.deployment, victims[0].role)]

    def inject(self) -> None:
        self._before = len(self._deployment.instances())
        self.victim = self._deployment.add(self._role).name

    def verify(self) -> str:
        there = len(self._deployment.instances())
        if there != self._before + 1:
            raise FaultError(f"{self.victim} was added, and the frontend lists {there} workers, before {self._before}")
        return f"the frontend lists {there} workers, before {self._before}"


class ScaleDown(Fault):
    """A component is asked to end and is not replaced."""

    kinds = ("scale_down",)
    name = "taken away"

    def __init__(self, deployment: Deployment, component: Component) -> None:
        self.victim = component.name
        self._deployment = deployment

    @classmethod
    def of(cls, stage: Stage, victims: Sequence[Component], parameters: Mapping[str, str]) -> list[Fault]:
        refuse_unknown(cls.kinds[0], parameters)
        return [cls(stage.deployment, victim) for victim in victims]

    def inject(self) -> None:
        self._deployment.remove(self.victim)

    def verify(self) -> str:
        if self.victim in self._deployment.components:
            raise FaultError(f"{self.victim} was taken away and is still there")
        return f"{self.victim} has ended; the frontend lists {len(self._deployment.instances())} workers"


class Join(ScaleUp):
    """One more component of the victims' role is started; whether anybody finds it is for the scenario to say."""

    kinds = ("join",)
    name = "started"

    def inject(self) -> None:
        self._component = self._deployment.add(self._role, wait=False)
        self.victim = self._component.name

    def verify(self) -> str:
        return f"{self.victim} runs as process {self._component.pid}"
