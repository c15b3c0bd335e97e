"""Components are gone for a while: killed, and started again when the fault is taken back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from support.deployment import Component, Deployment
from support.faults import Fault, Stage, refuse_unknown
from support.faults.kill import Kill


class Gone(Kill):
    """Ends a component at once, and starts it again when it is healed: back when the frontends list what there is."""

    kinds = ("gone", "outage")
    name = "gone"
    lasting = True

    def __init__(self, component: Component, deployment: Deployment) -> None:
        super().__init__(component)
        self._deployment = deployment

    @classmethod
    def of(cls, stage: Stage, victims: Sequence[Component], parameters: Mapping[str, str]) -> list[Fault]:
        refuse_unknown(cls.kinds[0], parameters)
        return [cls(victim, stage.deployment) for victim in victims]

    def heal(self) -> None:
        if self._pid is not None and not self._component.running:
            self._component.restart()
