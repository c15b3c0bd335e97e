"""Components are cut off from others: their packets are stopped, in silence or with a reset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from support.deployment import Component, Deployment
from support.errors import UsageError
from support.faults import Fault, Stage, refuse_unknown
from support.spec import Role, choose

LONGEST = 120.0
"""Seconds after which the kernel ends a partition, whatever became of this run."""
_SIDES: dict[str, tuple[Role, ...]] = {"everybody": (), "frontend": ("frontend",), "etcd": ("etcd",), "nats": ("nats",)}
_ACTIONS = ("drop", "reject")


class CutOff(Fault):
    """Cuts one component off from others until it is healed. Unavailable where the deployment cannot do that."""

    kinds = ("partition",)
    name = "cut off"
    lasting = True

    def __init__(
        self,
        deployment: Deployment,
        victim: Component,
        *,
        off: str = "everybody",
        action: Literal["drop", "reject"] = "drop",
    ) -> None:
        """off: from whom, one of "everybody", "frontend", "etcd", "nats"."""
        choose("side of a partition", off, tuple(_SIDES))
        others = [one for one in deployment.components.values() if one is not victim]
        others = [one for one in others if not _SIDES[off] or one.role in _SIDES[off]]
        if not others:
            raise UsageError(f"{victim.name} cannot be cut off from {off}: there is none in this deployment")
        self.victim = victim.name
        # A frontend comes first: it listens, whoever else does.
        others.sort(key=lambda one: one.role != "frontend")
        self._partition = deployment.partition([victim], others, action=action, seconds=LONGEST)

    @classmethod
    def of(cls, stage: Stage, victims: Sequence[Component], parameters: Mapping[str, str]) -> list[Fault]:
        refuse_unknown("partition", parameters, "off", "action")
        action = choose("action of a partition", parameters.get("action", "drop"), _ACTIONS)
        off = parameters.get("off", "everybody")
        return [cls(stage.deployment, victim, off=off, action=action) for victim in victims]  # type: ignore[arg-type]

    def inject(self) -> None:
        self._partition.cut()

    def verify(self) -> str:
        return self._partition.proof()

    def heal(self) -> None:
        self._partition.mend()
