"""Pods are evicted: asked to go by way of the cluster, which refuses where a disruption budget would be broken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from support.deployment import Component, Deployment
from support.errors import DeploymentError, FaultError, Unavailable
from support.faults import Fault, Stage, refuse_unknown
from support.faults.delete_pod import await_replaced
from support.waiting import eventually

if TYPE_CHECKING:
    from support.kubernetes_target.hosting import Pod

GRANTED_WITHIN = 120.0
"""Seconds until a budget allows each eviction, for others must have come back before."""
ASKS_AGAIN = 0.5
"""Seconds between requests for an eviction that was refused; `kubectl drain` takes 5."""
OPENED_WITHIN = 30.0
BACK_WITHIN = 120.0
"""Seconds until a pod that was evicted is replaced by one that is ready."""


class Evict(Fault):
    """Each pod of the victims is asked to go, one after the other, as soon as the cluster allows it."""

    kinds = ("evict",)
    name = "evicted"

    def __init__(self, deployment: Deployment, components: Sequence[Component]) -> None:
        self.victim = ", ".join(component.name for component in components)
        self._hosting = deployment.hosting()
        self._names = [component.name for component in components]
        self._was: dict[str, Pod] = {}
        self._refusals: list[str] = []

    @classmethod
    def of(cls, stage: Stage, victims: Sequence[Component], parameters: Mapping[str, str]) -> list[Fault]:
        refuse_unknown(cls.kinds[0], parameters)
        return [cls(stage.deployment, victims)]

    def inject(self) -> None:
        self._was = {name: pod for name, pod in self._hosting.pods().items() if name in self._names}
        for name in self._names:
            eventually(
                lambda name=name: self._granted(name),  # type: ignore[misc]
                within=GRANTED_WITHIN,
                describe=f"the cluster lets {name} be evicted",
                interval=ASKS_AGAIN,
                error=FaultError,
                last_seen=lambda: self._refusals[-1],
            )
        await_replaced(self._hosting, list(self._was.values()))

    def verify(self) -> str:
        gone = ", ".join(f"pod {one.uid} of {name} on {one.node}" for name, one in self._was.items())
        refused = f"; the cluster refused {len(self._refusals)} times: {self._refusals[0]}" if self._refusals else ""
        return f"gone: {gone}{refused}"

    def _granted(self, name: str) -> bool:
        if refusal := self._hosting.evict(name):
            self._refusals.append(refusal)
        return not refusal


class EvictWithinBudget(Evict):
    """The same where a budget stands in the way: it is no proof unless the cluster has refused once."""

    kinds = ("evict_within_budget",)

    def verify(self) -> str:
        if not self._refusals:
            raise FaultError(f"no disruption budget has stood in the way when {self.victim} were evicted")
        return super().verify()


class Drain(Evict):
    """A node of the victims is closed, and all pods of the deployment there are evicted; healed, it is open again."""

    kinds = ("drain",)
    name = "evicted from a node that is drained"
    lasting = True

    def __init__(self, deployment: Deployment, node: str) -> None:
        super().__init__(deployment, components_on(node, deployment))
        self._node = node
        self._closed = False

    @classmethod
    def of(cls, stage: Stage, victims: Sequence[Component], parameters: Mapping[str, str]) -> list[Fault]:
        refuse_unknown(cls.kinds[0], parameters)
        stage.deployment.hosting().insist_on_closing_nodes()
        return [cls(stage.deployment, node_to_lose(stage.deployment, victims))]

    def inject(self) -> None:
        self._closed = True
        self._hosting.cordon(self._node)
        super().inject()

    def verify(self) -> str:
        back = self._hosting.await_pods(self._back, within=BACK_WITHIN)
        if not self._hosting.cordoned(self._node) or not self._back(back):
            raise FaultError(f"{self._node} was to be drained: {back}")
        places = ", ".join(f"{name} on {back[name].node}" for name in self._names)
        return f"{self._node} is closed; {super().verify()}; now {places}"

    def heal(self) -> None:
        if self._closed:
            opened = f"{self._node} is open again"
            eventually(self._opened, within=OPENED_WITHIN, describe=opened, error=FaultError, interval=ASKS_AGAIN)
            self._closed = False

    def _opened(self) -> bool:
        """A cluster that does not answer is asked again: nobody else would open it before this run is over."""
        try:
            self._hosting.cordon(self._node, closed=False)
        except DeploymentError as failure:
            raise ConnectionError(str(failure)) from failure
        return True

    def _back(self, pods: Mapping[str, Pod]) -> bool:
        """Each is there again, on another node."""
        return all(name in pods and pods[name].ready and pods[name].node != self._node for name in self._names)


def node_to_lose(deployment: Deployment, victims: Sequence[Component]) -> str:
    """The node of the first of them that may be lost, having nothing of the deployment but workers.

    Unavailable, with each reason, when none may.
    """
    pods, reasons = deployment.hosting().pods(), []
    for node in dict.fromkeys(pods[victim.name].node for victim in victims):
        others = [one.name for one in components_on(node, deployment) if one not in deployment.workers]
        if reason := deployment.hosting().must_not_lose(node):
            reasons.append(reason)
        elif others:
            reasons.append(f"{node} has {', '.join(others)} as well, so that more than workers would be lost")
        else:
            return node
    raise Unavailable(f"no node can be taken away: {'; '.join(reasons)}")


def components_on(node: str, deployment: Deployment) -> list[Component]:
    pods = deployment.hosting().pods().values()
    return [deployment.component(one.name) for one in pods if one.node == node]
