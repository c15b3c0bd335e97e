"""TLS between the service and its agents, where both show who they are: a folder with tls.crt, tls.key and ca.crt.

That is how Kubernetes keeps such a secret. Pods have no lasting address, so an agent is known by the name `AGENT`,
which its certificate must have, and the service by being signed by the same authority.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

AGENT = "gpu-fault-injector"
FILES = ("tls.crt", "tls.key", "ca.crt")


def of_agent(folder: Path) -> dict[str, Any]:
    """Arguments for uvicorn.run: nobody is let in who shows no certificate of the authority. ValueError."""
    certificate, key, authority = _insisted(folder)
    client_context(folder)  # what cannot be read is told now, and in one sentence
    return {
        "ssl_certfile": str(certificate),
        "ssl_keyfile": str(key),
        "ssl_ca_certs": str(authority),
        "ssl_cert_reqs": ssl.CERT_REQUIRED,
    }


def client_context(folder: Path) -> ssl.SSLContext:
    """For the service: it shows its certificate, and trusts that authority alone. ValueError."""
    certificate, key, authority = _insisted(folder)
    try:
        context = ssl.create_default_context(cafile=str(authority))
        context.load_cert_chain(certificate, key)
    except (ssl.SSLError, OSError) as failure:
        raise ValueError(f"{folder} has no certificates that can be used: {failure}") from failure
    return context


def _insisted(folder: Path) -> tuple[Path, Path, Path]:
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise ValueError(f"{folder} has no {' and no '.join(missing)}: it needs {', '.join(FILES)}")
    certificate, key, authority = (folder / name for name in FILES)
    return certificate, key, authority
