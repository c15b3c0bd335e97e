"""Workers are to be upgraded to something that the cluster cannot run: it replaces one of them, and gets no further."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from support.deployment import Component, Deployment
from support.errors import FaultError
from support.faults import Fault, Stage, refuse_unknown
from support.faults.delete_pod import await_back
from support.spec import choose
from support.waiting import eventually

TOLD_WITHIN = 60.0
"""Seconds until the cluster tells why it gets no further; the pod that it replaces has its grace before."""
MENDED_WITHIN = 120.0
"""Seconds until all pods are ready when what was wrong is mended; the cluster waits longer from attempt to attempt."""
_NONE = "dynamo-fault-specs-has-none"
_TOO_MUCH = {"requests": {"memory": "64Mi"}, "limits": {"memory": "64Mi"}}
_Manifest = dict[str, Any]


@dataclass(frozen=True)
class Flaw:
    """Of what workers are upgraded to."""

    says: str
    """What the cluster tells then, as a pattern."""
    pod: _Manifest | None = None
    """Fields of the pod's spec."""
    container: _Manifest | None = None
    """Fields of its container."""
    data: _Manifest | None = None
    """What the volume "data" is."""
    beside: _Manifest | None = None
    """An object that is in the way, without its metadata."""
    security: str | None = None
    """Level of pod security that the namespace asks for."""

    def put_into(self, template: _Manifest) -> None:
        template["metadata"].setdefault("annotations", {})["dynamo-fault-specs/upgrade"] = "flawed"
        template["spec"] |= self.pod or {}
        template["spec"]["containers"][0] |= self.container or {}
        if self.data:
            volumes = [one for one in template["spec"]["volumes"] if one["name"] != "data"]
            template["spec"]["volumes"] = [*volumes, {"name": "data", **self.data}]


FLAWS: dict[str, Flaw] = {
    "an image that nobody has": Flaw(r"image .* cannot be had on", container={"image": f"localhost/{_NONE}:1"}),
    "a place that does not exist": Flaw(r"no node takes it", pod={"nodeSelector": {_NONE: "true"}}),
    "a secret that does not exist": Flaw(
        r'secret "\S+" not found', container={"envFrom": [{"secretRef": {"name": _NONE}}]}
    ),
    "storage that does not exist": Flaw(
        r'persistentvolumeclaim "\S+" not found',
        data={"persistentVolumeClaim": {"claimName": _NONE}},
    ),
    "a runtime that does not exist": Flaw(r'RuntimeClass "\S+" not found', pod={"runtimeClassName": _NONE}),
    "more than is left of a quota": Flaw(
        r"exceeded quota",
        container={"resources": _TOO_MUCH},
        beside={"apiVersion": "v1", "kind": "ResourceQuota", "spec": {"hard": {"requests.memory": "1Mi"}}},
    ),
    "more memory than a pod may have": Flaw(
        r"maximum memory usage per Pod is",
        container={"resources": _TOO_MUCH},
        beside={
            "apiVersion": "v1",
            "kind": "LimitRange",
            # The maximum of a container would be a default, too.
            "spec": {"limits": [{"type": "Pod", "max": {"memory": "32Mi"}}]},
        },
    ),
    "less safety than is required": Flaw(r"violates PodSecurity", security="restricted"),
}


class FailingRollout(Fault):
    """It goes on when the cluster has said why. Healed, it is mended, and everything is ready again.

    parameters: flaw, one of `FLAWS`.
    """

    kinds = ("failing_rollout",)
    name = "upgraded in vain"
    lasting = True

    def __init__(self, deployment: Deployment, component: Component, flaw: str) -> None:
        self._deployment, self._hosting = deployment, deployment.hosting()
        self._pod = component.name
        self._flaw = FLAWS[choose("flaw of an upgrade", flaw, tuple(FLAWS))]
        self._set = component.name.rpartition("-")[0]
        self.victim = ", ".join(one.name for one in deployment.of_role(component.role))
        self._beside = (self._flaw.beside or {}) | {
            "metadata": {"name": "in-the-way", "namespace": self._hosting.namespace}
        }
        self._undo: list[Callable[[], None]] = []
        self._told = ""

    @classmethod
    def of(cls, stage: Stage, victims: Sequence[Component], parameters: Mapping[str, str]) -> list[Fault]:
        refuse_unknown(cls.kinds[0], parameters, "flaw")
        return [cls(stage.deployment, victims[0], parameters.get("flaw", ""))]

    def inject(self) -> None:
        if self._flaw.beside:
            self._undo.append(lambda: self._hosting.take_away(self._beside))
            self._hosting.make(self._beside)
        if self._flaw.security:
            self._undo.append(lambda: self._hosting.insist_on_security(None))
            self._hosting.insist_on_security(self._flaw.security)
        self._undo.append(lambda: self._hosting.roll_out(self._pod, lambda template: None))
        self._hosting.roll_out(self._pod, self._flaw.put_into)
        self._told = eventually(
            self._reason,
            within=TOLD_WITHIN,
            describe=f"the cluster says why it cannot upgrade {self.victim}",
            error=FaultError,
            interval=0.5,
        )

    def verify(self) -> str:
        ready = [name for name, pod in self._hosting.pods().items() if name.startswith(f"{self._set}-") and pod.ready]
        return f"the cluster says: {self._told}; there are still {', '.join(ready) or 'none'}"

    def heal(self) -> None:
        """In the reverse order: what is in the way goes last."""
        undone = bool(self._undo)
        while self._undo:
            self._undo.pop()()
        if undone:
            await_back(self._deployment, within=MENDED_WITHIN)
            self._hosting.stay(self._pod)

    def _reason(self) -> str:
        of_pods = [f"{one.name}: {one.waits_for}" for one in self._hosting.pods().values() if one.waits_for]
        said = [one for one in of_pods + self._hosting.warnings() if re.search(self._flaw.says, one)]
        return said[-1] if said else ""
