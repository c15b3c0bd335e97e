"""Components are cut off from others: their packets are stopped, in silence or with a reset, all or some of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any, get_args

from injector.agents.partition import Action, Direction, Obstruction
from support.deployment import Component, Deployment
from support.errors import FaultError, UsageError
from support.faults import Fault, Stage, refuse_unknown, whole_number
from support.leases import OUTLIVES, Leases
from support.spec import Role, choose
from support.victims import victims as meant
from support.waiting import eventually

LONGEST = 120.0
"""Seconds after which the kernel ends a partition, whatever became of this run."""
_SIDES: dict[str, tuple[Role, ...]] = {"everybody": (), "frontend": ("frontend",), "etcd": ("etcd",), "nats": ("nats",)}
_FULL = Obstruction()
_NUMBERS = ("loss", "bytes_per_second")


class CutOff(Fault):
    """Cuts one component off from others until it is healed. Unavailable where the deployment cannot do that.

    parameters: off ("everybody", "frontend", "etcd", "nats", or other components as `support.victims` names them),
    action, direction (of the packets that are stopped, seen from the victim), loss (percent), bytes_per_second, and
    lease ("fresh": not before the victim has just renewed its lease, so that the cut alone takes as long as it can).
    """

    kinds = ("partition",)
    name = "cut off"
    lasting = True

    def __init__(
        self,
        deployment: Deployment,
        victim: Component,
        *,
        off: str = "everybody",
        how: Obstruction = _FULL,
        lease: str = "any",
    ) -> None:
        choose("lease of who is cut off", lease, ("any", "fresh"))
        others = _side(deployment, victim, off)
        self.victim = victim.name
        self._holder = victim if lease == "fresh" else None
        self._deployment = deployment
        # A frontend comes first: it listens, whoever else does.
        others.sort(key=lambda one: one.role != "frontend")
        self._partition = deployment.partition([victim], others, how, seconds=LONGEST)

    @classmethod
    def of(cls, stage: Stage, victims: Sequence[Component], parameters: Mapping[str, str]) -> list[Fault]:
        refuse_unknown("partition", parameters, "off", "action", "direction", "lease", *_NUMBERS)
        how = obstruction(parameters)
        off, lease = parameters.get("off", "everybody"), parameters.get("lease", "any")
        return [cls(stage.deployment, victim, off=off, how=how, lease=lease) for victim in victims]

    def inject(self) -> None:
        if self._holder:
            _await_renewal(self._deployment, self._holder)
        self._partition.cut()

    def verify(self) -> str:
        return self._partition.proof()

    def heal(self) -> None:
        self._partition.mend()


def _await_renewal(deployment: Deployment, holder: Component) -> None:
    """Return when the lease by which it is there has just been renewed. FaultError when that is not seen in time."""
    if holder.instance_id() is None:
        raise FaultError(f"{holder.name} does not tell which lease is its own")
    with closing(Leases(deployment, holder)) as lease:
        eventually(
            lease.renewed,
            within=OUTLIVES,
            describe=f"{holder.name} has renewed its lease",
            error=FaultError,
        )


def obstruction(parameters: Mapping[str, str]) -> Obstruction:
    """What these parameters say becomes of packets. UsageError for values that make no sense."""
    action: Action = choose("action of a partition", parameters.get("action", "drop"), get_args(Action))
    direction: Direction = choose("direction of a partition", parameters.get("direction", "both"), get_args(Direction))
    numbers: dict[str, Any] = {
        name: whole_number("partition", name, parameters[name]) for name in _NUMBERS if name in parameters
    }
    try:
        return Obstruction(action, direction, **numbers)
    except ValueError as nonsense:
        raise UsageError(f"a partition cannot be: {nonsense}") from nonsense


def _side(deployment: Deployment, victim: Component, off: str) -> list[Component]:
    if off in _SIDES:
        there = [one for one in deployment.components.values() if not _SIDES[off] or one.role in _SIDES[off]]
    else:
        there = meant(deployment, off)
    others = [one for one in there if one is not victim]
    if not others:
        raise UsageError(f"{victim.name} cannot be cut off from {off}: there is none in this deployment")
    return others
