"""The pod of a component is deleted: its set replaces it by another one, elsewhere or not, with nothing that it had."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from support.deployment import Component, Deployment
from support.errors import FaultError
from support.faults import Fault, Stage, refuse_unknown, whole_number
from support.waiting import eventually

if TYPE_CHECKING:
    from support.kubernetes_target.hosting import Hosting, Pod

GONE_WITHIN = 60.0
"""Seconds beyond its grace until a pod that is deleted is gone."""


class DeletePod(Fault):
    """With the grace that the pod asks for, in which its component ends as it promises to, or with another one.

    parameters: grace (seconds; 0: the cluster forgets the pod at once, and its node ends it as soon as it hears of it).
    It goes on when the pod is gone and its process was seen to end.
    """

    kinds = ("delete_pod",)
    name = "deleted with its pod"

    def __init__(self, hosting: Hosting, component: Component, *, grace: int | None = None) -> None:
        self.victim = component.name
        self._hosting, self._component, self._grace = hosting, component, grace
        self._was: Pod | None = None
        self._ends = 0

    @classmethod
    def of(cls, stage: Stage, victims: Sequence[Component], parameters: Mapping[str, str]) -> list[Fault]:
        refuse_unknown(cls.kinds[0], parameters, "grace")
        grace = parameters.get("grace")
        seconds = None if grace is None else whole_number(cls.kinds[0], "grace", grace)
        return [cls(stage.deployment.hosting(), victim, grace=seconds) for victim in victims]

    def inject(self) -> None:
        self._was = self._hosting.pods()[self.victim]
        self._ends = len(self._component.ends)
        self._hosting.delete(self.victim, grace=self._grace)
        await_replaced(self._hosting, [self._was])
        eventually(
            lambda: len(self._component.ends) > self._ends,
            within=GONE_WITHIN,
            describe=f"the process of {self.victim} has ended",
            error=FaultError,
        )

    def verify(self) -> str:
        assert self._was
        return (
            f"pod {self._was.uid} of {self.victim} on {self._was.node} is gone, "
            f"its process ended with {self._component.ends[-1]}"
        )


def await_replaced(hosting: Hosting, old: Sequence[Pod]) -> None:
    """Return when none of these pods is there any more, be there others in their places or not. FaultError."""

    def left(pods: Mapping[str, Pod]) -> list[str]:
        return [one.name for one in old if one.name in pods and pods[one.name].uid == one.uid]

    there = hosting.await_pods(lambda pods: not left(pods), within=GONE_WITHIN)
    if left(there):
        raise FaultError(f"the pod {', '.join(left(there))} is still there, {GONE_WITHIN:g} s after it was to go")


def await_back(deployment: Deployment, *, within: float) -> None:
    """Return when every pod is ready, and the frontends serve with all workers that there are. FaultError."""
    hosting, names = deployment.hosting(), list(deployment.components)

    def away(pods: Mapping[str, Pod]) -> list[str]:
        return [name for name in names if name not in pods or not pods[name].ready]

    there = hosting.await_pods(lambda pods: not away(pods), within=within)
    if left := away(there):
        raise FaultError(f"{', '.join(left)} was to be back and is not ready after {within:g} s")

    def serves() -> bool:
        assert not (ended := [one.name for one in deployment.components.values() if not one.running]), f"{ended} ended"
        assert not (lacks := deployment.lacking()), "; ".join(lacks)
        return True

    eventually(serves, within=within, describe="the deployment is as it was", error=FaultError, interval=0.2)
