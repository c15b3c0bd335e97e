"""Deletes the namespace of a run, and with it all that the run has made, when the run is heard of no more.

It runs in that namespace, with no other right than to read the run's lease and to delete this one namespace. The run
renews the lease; whatever became of it, a lease that has not changed for its own duration, by this program's clock,
is the end. Time in which the API server did not answer does not count: the run may have been there all along.
Standard library.
"""

from __future__ import annotations

import json
import ssl
import time
import urllib.request
from pathlib import Path
from typing import Any

from support.kubernetes_target.in_image import facts

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
LEASE = "run"
LOOKS_PER_DURATION = 6


def main() -> None:
    """Until the namespace is told to go."""
    print(json.dumps(facts()), flush=True)
    namespace = (ACCOUNT / "namespace").read_text()
    lease = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{LEASE}"
    renewed, seen_at = "", time.monotonic()
    while True:
        duration = 60.0
        try:
            spec = _asked("GET", lease)["spec"]
        except OSError as silence:
            print(f"no answer: {silence}", flush=True)
            seen_at = time.monotonic()
        else:
            duration = float(spec["leaseDurationSeconds"])
            if spec["renewTime"] != renewed:
                renewed, seen_at = spec["renewTime"], time.monotonic()
            elif time.monotonic() - seen_at > duration:
                _asked("DELETE", f"/api/v1/namespaces/{namespace}")
                print(f"nobody has renewed the lease for {duration:g} s: {namespace} goes", flush=True)
                return
        time.sleep(duration / LOOKS_PER_DURATION)


def _asked(method: str, path: str) -> Any:
    context = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
    token = (ACCOUNT / "token").read_text()
    request = urllib.request.Request(
        f"https://kubernetes.default.svc{path}", method=method, headers={"Authorization": f"Bearer {token}"}
    )
    with urllib.request.urlopen(request, timeout=10, context=context) as answer:
        return json.load(answer)


if __name__ == "__main__":
    main()
