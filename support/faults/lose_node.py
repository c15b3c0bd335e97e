"""A node is lost, with all that runs on it, by a command that the user has configured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from support.deployment import Component, Deployment
from support.errors import FaultError
from support.faults import Fault, Stage, refuse_unknown
from support.faults.delete_pod import await_back
from support.faults.evict import components_on, node_to_lose

if TYPE_CHECKING:
    from support.kubernetes_target.hosting import Pod

LOST_WITHIN = 120.0
"""Seconds until the cluster has it as lost; 40 to 50 by default."""
PODS_WITHIN = 30.0
"""Seconds after that until it has also the pods there as not ready, one after the other."""
BACK_WITHIN = 120.0


class LoseNode(Fault):
    """A node of the victims; it goes on when the cluster has it as lost. Healed, it is back, and its pods are ready."""

    kinds = ("lose_node",)
    name = "lost with its node"
    lasting = True

    def __init__(self, deployment: Deployment, node: str) -> None:
        self._deployment, self._hosting = deployment, deployment.hosting()
        self._node = node
        self._names = [one.name for one in components_on(node, deployment)]
        self.victim = ", ".join(self._names)
        self._lost = False

    @classmethod
    def of(cls, stage: Stage, victims: Sequence[Component], parameters: Mapping[str, str]) -> list[Fault]:
        refuse_unknown(cls.kinds[0], parameters)
        stage.deployment.hosting().insist_on_command("lose_node", "return_node")
        return [cls(stage.deployment, node_to_lose(stage.deployment, victims))]

    def inject(self) -> None:
        self._lost = True
        self._hosting.lose_node(self._node)
        self._hosting.await_node(self._node, ready=False, within=LOST_WITHIN)
        self._hosting.await_pods(lambda pods: not self._ready(pods), within=PODS_WITHIN)

    def verify(self) -> str:
        ready = self._ready(self._hosting.pods())
        if ready:
            raise FaultError(f"{self._node} is lost, and the cluster has {', '.join(ready)} there as ready")
        return f"the cluster has {self._node} as lost, with {self.victim}"

    def heal(self) -> None:
        if not self._lost:
            return
        self._hosting.return_node(self._node)
        self._lost = False
        self._hosting.await_node(self._node, ready=True, within=BACK_WITHIN)
        await_back(self._deployment, within=BACK_WITHIN)

    def _ready(self, pods: Mapping[str, Pod]) -> list[str]:
        """Those of the victims that the cluster has as ready."""
        return [name for name in self._names if pods[name].ready]
