"""The API server of the cluster that this process is a pod of: the few questions that the service asks it."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import Any

import httpx

from injector.errors import Undone

ANSWERS_WITHIN = 10.0
"""Seconds."""
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""What every pod with a service account finds: ca.crt, namespace, and token, which is renewed now and then."""
Object = dict[str, Any]
"""As in YAML."""


class Cluster:
    """Asked as the pod's service account. Undone when it does not answer, or refuses: then with its own words."""

    def __init__(self, url: str | None = None, account: Path = ACCOUNT) -> None:
        """url: where the cluster tells its pods that it is, unless given. Undone where there is no account."""
        self._account = account
        try:
            self.namespace = (account / "namespace").read_text()
            """Of this pod."""
            trusted = ssl.create_default_context(cafile=str(account / "ca.crt"))
        except OSError as failure:
            raise Undone(f"this is no pod with a service account ({failure}): run it in one") from failure
        host, port = os.environ.get("KUBERNETES_SERVICE_HOST", ""), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
        there = url or f"https://{f'[{host}]' if ':' in host else host}:{port}"
        self._http = httpx.Client(base_url=there, verify=trusted, timeout=ANSWERS_WITHIN, trust_env=False)

    def namespaces(self, labels: str) -> list[Object]:
        """Those with these labels."""
        return self._list("/api/v1/namespaces", labels)

    def namespace_of(self, name: str) -> Object | None:
        """The one of that name; None when there is none."""
        return self._ask(f"/api/v1/namespaces/{name}", {})

    def pods(self, namespace: str, labels: str = "") -> list[Object]:
        """Of a namespace."""
        return self._list(f"/api/v1/namespaces/{namespace}/pods", labels)

    def nodes(self, labels: str) -> list[Object]:
        """Those with these labels."""
        return self._list("/api/v1/nodes", labels)

    def close(self) -> None:
        self._http.close()

    def _list(self, path: str, labels: str) -> list[Object]:
        told = self._ask(path, {"labelSelector": labels} if labels else {})
        found: list[Object] = told["items"] if told else []
        return found

    def _ask(self, path: str, what: dict[str, str]) -> Object | None:
        try:
            token = (self._account / "token").read_text()
            answer = self._http.get(path, params=what, headers={"Authorization": f"Bearer {token}"})
            told: Object = answer.json()
        except (httpx.HTTPError, OSError, ValueError) as failure:
            raise Undone(f"the API server does not answer ({failure!r}): see whether it can be reached") from failure
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        if not answer.is_success:
            said = f"the API server refuses: {told.get('message', answer.reason_phrase)}"
            raise Undone(f"{said}: give the service the rights that injector/deploy/base/rbac.yaml lists")
        return told
