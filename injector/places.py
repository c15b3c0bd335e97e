"""Where the service and its agents keep things on a node, unless they are told otherwise."""

from __future__ import annotations

import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path

STATE = Path("/run/dynamo-faults")
"""Below it: agent/ and service/ with a journal each, registry.json, agent.token. Gone when the machine is started
anew, as faults are."""
REGISTRY = "registry.json"
AGENT_PORT = 8081
SERVICE_PORT = 8080
_TOKEN = "agent.token"
_SHORTEST = 16


def agent_token(state: Path) -> str:
    """The one that the service and the agent of this folder share, made by whoever comes first. For its owner only."""
    state.mkdir(parents=True, exist_ok=True)
    file = state / _TOKEN
    if not file.exists():
        made, name = tempfile.mkstemp(dir=state)
        with os.fdopen(made, "w") as writing:
            writing.write(secrets.token_urlsafe(32))
        with suppress(FileExistsError):  # somebody came first
            os.link(name, file)
        Path(name).unlink()
    return file.read_text()


def token_in(file: Path) -> str:
    """A token from a file. ValueError, in one sentence, for one that cannot be read or is too short."""
    try:
        token = file.read_text().strip()
    except OSError as failure:
        raise ValueError(f"the token file {file} cannot be read: {failure.strerror}") from failure
    if len(token) < _SHORTEST:
        raise ValueError(f"the token in {file} is shorter than {_SHORTEST} characters: make a longer one")
    return token
