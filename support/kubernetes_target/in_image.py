"""What the image holds and where: agreed between its Containerfile, what runs in it, and the target. Standard library.

Run as a program it says what it finds, as JSON; that is how the target knows an image that it cannot use.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from support.commands import Programs
from support.errors import Unavailable
from support.model import ModelFolder

ROOT = Path("/opt/specs")
"""This project."""
DYNAMO = Path("/opt/dynamo")
"""One environment per version."""
PROGRAMS = Path("/opt/programs/bin")
LOAD_PYTHON = Path("/opt/load/bin/python")
"""With what the load client needs."""
MODEL = ModelFolder.below(Path("/opt/model"))
DATA = Path("/data")
"""What components store; gone with the pod."""
COMMANDS = Path("/etc/components")
"""What each component runs: a file by its name, from a ConfigMap."""
SOCKET = Path("/run/keeper.sock")
_PARTS = (
    "engines/*.py",
    "load/*.py",
    *(f"kubernetes_target/{name}.py" for name in ("in_image", "keeper", "load_shard", "reaper", "relay")),
    "model.py",
    "process.py",
    "vitals.py",
)


def facts() -> dict[str, object]:
    """Of this image: digest of what it holds of this project, versions of Dynamo."""
    return {"digest": digest(ROOT), "dynamo": sorted(one.name for one in DYNAMO.glob("*") if one.is_dir())}


def digest(root: Path) -> str:
    """Of the files below `root`/support that work in a container."""
    files = sorted(file for part in _PARTS for file in (root / "support").glob(part))
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()[:16]


def programs(versions: list[str], image: str) -> Programs:
    """As commands name them. versions: of Dynamo, that the image has."""

    def dynamo(version: str) -> Path:
        if version not in versions:
            there = ", ".join(versions) or "none"
            raise Unavailable(
                f"the image {image} has no Dynamo {version} (it has {there}): build one that has, or choose another"
            )
        return DYNAMO / version / "bin" / "python"

    return Programs(etcd=PROGRAMS / "etcd", nats_server=PROGRAMS / "nats-server", dynamo=dynamo, root=ROOT)


if __name__ == "__main__":
    print(json.dumps(facts()), flush=True)
