"""The fault injection service, as its users know it: over HTTP, with the words of its contract."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from support.errors import FaultError, Unavailable, UsageError

ANSWERS_WITHIN = 30.0
"""Seconds: an injection is answered when its effect was seen."""
_API = "/api/v1/faults"
_WRONG = (403, 404, 422)
"""Statuses of what was asked for and cannot be: the scenario is wrong, not the deployment."""


@dataclass(frozen=True)
class Injected:
    """A fault of the service, as it was when it was asked."""

    id: str
    state: str
    """ACTIVE, RECOVERED, ...: see `injector.life`."""
    evidence: tuple[str, ...]
    """What the service's own probes saw, in order."""
    simulated: bool
    """It acts on the worker's process, since there is no GPU."""
    irreversible: str | None
    """What of it cannot be taken back."""

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Injected:
        """From the service's answer."""
        return cls(
            told["id"], told["state"], tuple(told["evidence"]), bool(told["simulated"]), told.get("irreversible")
        )


class InjectionService:
    """A client of one service. FaultError for what it could not do, Unavailable for what its node cannot (501)."""

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        namespace: str | None = None,
        pod_of: Callable[[str], str] = str,
    ) -> None:
        """url: without a trailing slash. namespace: on Kubernetes, of the pods that are asked for.

        pod_of: the present name of a component's pod, where it is another than the component's.
        """
        self.url, self._namespace, self._pod_of = url, namespace, pod_of
        headers = {"authorization": f"Bearer {token}"} if token else {}
        # A connection for each call: on one that is kept, an injection can meet the moment at which it is closed.
        once = httpx.Limits(max_keepalive_connections=0)
        self._http = httpx.Client(
            base_url=url, headers=headers, timeout=ANSWERS_WITHIN, trust_env=False, verify=False, limits=once
        )

    def ready(self) -> bool:
        """It answers, and so does every agent."""
        try:
            return self._http.get("/ready").is_success
        except httpx.HTTPError:
            return False

    def strain_gpu(self, component: str, fault_type: str, severity: str, *, seconds: float) -> Injected:
        """THROTTLE, MEMORY_PRESSURE, OVERHEAT or COMPUTE_OVERLOAD, for at most so many seconds."""
        asked = {"fault_type": fault_type, "severity": severity, "duration_seconds": seconds}
        return self._inject("gpu/inject", {"target_pod": self._pod_of(component)} | asked)

    def strike_process(self, component: str, fault_type: str, *, seconds: float) -> Injected:
        """KILL, or PAUSE for at most so many seconds."""
        asked = {"fault_type": fault_type, "duration_seconds": seconds, "allow_last_worker": True}
        return self._inject("process/inject", {"target_pod": self._pod_of(component)} | asked)

    def report_xid(self, code: int, component: str, *, effect: str, seconds: float) -> Injected:
        """An XID; effect: LINE, or APPLICATION for what it does to the worker as well."""
        asked = {"duration_seconds": seconds, "parameters": {"effect": effect}}
        return self._inject(f"gpu/inject/xid-{code}", {"target_pod": self._pod_of(component)} | asked)

    def separate(self, partition_type: str, *, seconds: float, **asked: Any) -> Injected:
        """FRONTEND_WORKER, WORKER_NATS, WORKER_WORKER or CUSTOM; asked: source, target, action, ... of the contract."""
        sides = {side: self._pods_of(asked[side]) for side in ("source", "target") if side in asked}
        whom = {"partition_type": partition_type, "duration_seconds": seconds}
        return self._inject("network/inject", whom | asked | sides)

    def recover(self, identity: str) -> Injected:
        """Take it back; again, it is still so."""
        return Injected.of(self._call("POST", f"{_API}/{identity}/recover"))

    def fault(self, identity: str) -> Injected:
        """How it is now."""
        return Injected.of(self._call("GET", f"{_API}/{identity}"))

    def active(self) -> list[Injected]:
        """Those that are there now, in its namespace."""
        return [Injected.of(told) for told in self._call("GET", _API) if told["namespace"] == self._namespace]

    def close(self) -> None:
        """End its connections."""
        self._http.close()

    def _pods_of(self, side: str | Sequence[str]) -> str | list[str]:
        return self._pod_of(side) if isinstance(side, str) else [self._pod_of(one) for one in side]

    def _inject(self, path: str, asked: Mapping[str, Any]) -> Injected:
        where = {"namespace": self._namespace} if self._namespace else {}
        return Injected.of(self._call("POST", f"{_API}/{path}", {**asked, **where}))

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        try:
            answer = self._http.request(method, path, json=body)
        except httpx.HTTPError as failure:
            raise FaultError(f"the injection service at {self.url} does not answer: {failure!r}") from failure
        if answer.is_success:
            return answer.json()
        said = f"the injection service says {answer.status_code}: {_detail(answer)}"
        if answer.status_code == httpx.codes.NOT_IMPLEMENTED:
            raise Unavailable(said)
        raise (UsageError if answer.status_code in _WRONG else FaultError)(said)


def _detail(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return answer.text[:200]
