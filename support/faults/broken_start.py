"""A worker is started that cannot serve, because its model is not what it should be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from support.deployment import Component, Deployment
from support.errors import DeploymentError
from support.faults import Fault, Stage, refuse_unknown
from support.spec import GENERATING


class BrokenStart(Fault):
    """One more worker, whose model has a flaw. parameters: flaw (`Deployment.add` knows them)."""

    kinds = ("broken_start",)
    name = "started"

    def __init__(self, deployment: Deployment, flaw: str) -> None:
        self.victim = "one more worker"
        self._deployment = deployment
        self._flaw = flaw
        self._said = ""

    @classmethod
    def of(cls, stage: Stage, victims: Sequence[Component], parameters: Mapping[str, str]) -> list[Fault]:
        refuse_unknown(cls.kinds[0], parameters, "flaw")
        return [cls(stage.deployment, parameters.get("flaw", ""))]

    def inject(self) -> None:
        known = set(self._deployment.components)
        try:
            self._deployment.add(self._deployment.of_role(*GENERATING)[0].role, flaw=self._flaw)
        except DeploymentError as failure:
            self._said = str(failure)
        self.victim = next(name for name in self._deployment.components if name not in known)

    def verify(self) -> str:
        """What the deployment said of it, or that it said nothing: what should become of it is the scenario's."""
        return f"with {self._flaw}: {self._said or 'it was started as any other'}"
