"""The agents as the service sees them: one per node, over HTTP, with the token that they share."""

from __future__ import annotations

from collections.abc import Sequence
from ssl import SSLContext
from typing import Any
from urllib.parse import urlencode

import httpx

from injector.errors import Undone, of_status
from injector.fault import Fault, Order
from injector.tls import AGENT

CONNECTS_WITHIN = 2.0
ANSWERS_WITHIN = 60.0
"""Seconds; an injection is proven before it is answered."""


class Unreachable(Undone):
    """The agent does not answer: nobody knows what it did."""


class AgentClient:
    """The agent of one node. What it refuses is raised as the same refusal here."""

    def __init__(self, node: str, address: str, token: str, tls: SSLContext | None = None) -> None:
        """address: http://HOST:PORT. tls: how both show who they are, over https; None: they do not."""
        self._node = node
        self._known_as = {"sni_hostname": AGENT} if tls else {}
        self._http = httpx.Client(
            base_url=address.replace("http:", "https:", 1) if tls else address,
            headers={"Authorization": f"Bearer {token}"},
            timeout=httpx.Timeout(ANSWERS_WITHIN, connect=CONNECTS_WITHIN),
            trust_env=False,
            verify=tls or False,
            limits=httpx.Limits(max_keepalive_connections=0),  # an agent that was started anew knows no old connection
        )

    def inject(self, order: Order) -> Fault:
        return Fault.model_validate(self._ask("POST", "/v1/faults", order))

    def explain(self, order: Order) -> Fault:
        return Fault.model_validate(self._ask("POST", "/v1/explain", order))

    def recover(self, identity: str) -> Fault:
        return Fault.model_validate(self._ask("POST", f"/v1/faults/{identity}/recover"))

    def recover_all(self) -> list[Fault]:
        """Also those that the service does not know of."""
        return [Fault.model_validate(each) for each in self._ask("POST", "/v1/recover")]

    def faults(self, ids: Sequence[str] | None = None) -> dict[str, Fault]:
        """Those of these ids that it remembers, or all; by their ids."""
        asked = "" if ids is None else f"?{urlencode({'id': ids}, doseq=True)}"
        found = [Fault.model_validate(each) for each in self._ask("GET", f"/v1/faults{asked}")]
        return {fault.id: fault for fault in found}

    def reports(self) -> list[str]:
        """What it found when it started."""
        reports: list[str] = self._ask("GET", "/v1/about")["reports"]
        return reports

    def close(self) -> None:
        self._http.close()

    def _ask(self, method: str, path: str, order: Order | None = None) -> Any:
        body = None if order is None else order.model_dump(mode="json")
        try:
            answer = self._http.request(method, path, json=body, extensions=self._known_as)
            told = answer.json()
        except (httpx.HTTPError, ValueError) as failure:
            raise Unreachable(
                f"the agent of {self._node} is unreachable ({failure!r}): see whether it runs"
            ) from failure
        if answer.is_success:
            return told
        raise of_status(answer.status_code, str(told.get("detail")), told.get("field"))
