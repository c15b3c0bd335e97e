"""Components are replaced one after the other: a rolling restart, and a rolling upgrade to another Dynamo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from support.deployment import Component, Deployment, Target
from support.errors import FaultError, UsageError
from support.faults import Fault, Stage, refuse_unknown, whole_number
from support.waiting import consistently, eventually

ENDS_WITHIN = 60.0
"""Seconds that a component may take to end when it is asked to; it drains first."""


class RollingRestart(Fault):
    """Each component in turn is asked to end, has ended, is started again, and serves, before the next one.

    parameters: min_ready_seconds (how long it has served before the next one; 0 if left out; as in Kubernetes).
    """

    kinds = ("rolling_restart",)
    name = "restarted one by one"

    def __init__(
        self,
        deployment: Deployment,
        components: Sequence[Component],
        dynamo: str | None = None,
        *,
        min_ready_seconds: int = 0,
    ) -> None:
        self.victim = ", ".join(component.name for component in components)
        self._deployment = deployment
        self._components = components
        self._dynamo = dynamo
        self._min_ready_seconds = min_ready_seconds
        self._was: dict[str, int] = {}

    @classmethod
    def of(cls, stage: Stage, victims: Sequence[Component], parameters: Mapping[str, str]) -> list[Fault]:
        refuse_unknown(cls.kinds[0], parameters, "min_ready_seconds")
        served = whole_number(cls.kinds[0], "min_ready_seconds", parameters.get("min_ready_seconds", "0"))
        return [cls(stage.deployment, victims, min_ready_seconds=served)]

    def inject(self) -> None:
        for component in self._components:
            if self._was:
                self._let_serve()
            self._was[component.name] = component.pid
            component.terminate()
            eventually(
                lambda one=component: not one.running,  # type: ignore[misc]
                within=ENDS_WITHIN,
                describe=f"{component.name} has ended",
                error=FaultError,
            )
            component.restart(dynamo=self._dynamo)
            self._deployment.ready()

    def _let_serve(self) -> None:
        consistently(
            lambda: all(one.running for one in self._components),
            during=self._min_ready_seconds,
            describe=f"{self.victim} are up",
            error=FaultError,
        )

    def verify(self) -> str:
        same = [one.name for one in self._components if one.pid == self._was[one.name]]
        if same:
            raise FaultError(f"{', '.join(same)} was to be restarted and is still the same process")
        return f"{self.victim}: new processes"


class RollingReplacement(Fault):
    """For each component in turn a new one joins and serves first; then the old one is asked to end, and has ended."""

    kinds = ("rolling_replacement",)
    name = "replaced one by one"

    def __init__(self, deployment: Deployment, components: Sequence[Component]) -> None:
        self.victim = ", ".join(component.name for component in components)
        self._deployment = deployment
        self._old = {component.name: component.role for component in components}

    @classmethod
    def of(cls, stage: Stage, victims: Sequence[Component], parameters: Mapping[str, str]) -> list[Fault]:
        refuse_unknown(cls.kinds[0], parameters)
        return [cls(stage.deployment, victims)]

    def inject(self) -> None:
        for name, role in self._old.items():
            self._deployment.add(role)
            self._deployment.remove(name)

    def verify(self) -> str:
        there = sorted(one.name for one in self._deployment.workers)
        if left := [name for name in self._old if name in there]:
            raise FaultError(f"{', '.join(left)} was to be replaced and is still there")
        return f"in the place of {self.victim}: {', '.join(there)}"


class RollingUpgrade(RollingRestart):
    """A rolling restart after which the components run another version of Dynamo."""

    kinds = ("rolling_upgrade",)
    name = "upgraded one by one"

    @classmethod
    def of(cls, stage: Stage, victims: Sequence[Component], parameters: Mapping[str, str]) -> list[Fault]:
        refuse_unknown(cls.kinds[0], parameters, "dynamo")
        if "dynamo" not in parameters:
            raise UsageError("a rolling upgrade needs the version to upgrade to: give it the parameter 'dynamo'")
        return [cls(stage.deployment, victims, parameters["dynamo"])]

    def available(self, target: Target) -> str | None:
        return target.unavailable(self._deployment.spec.but(dynamo=self._dynamo))

    def verify(self) -> str:
        evidence = super().verify()
        old = [f"{one.name} runs {one.version}" for one in self._components if one.version != self._dynamo]
        if old:
            raise FaultError(f"after the upgrade to {self._dynamo}, {', '.join(old)}")
        return f"{evidence}, of Dynamo {self._dynamo}"
