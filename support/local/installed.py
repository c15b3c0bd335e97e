"""What the set-up installed, and where: Dynamo by version, etcd, nats-server."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from support.commands import Programs
from support.errors import Unavailable
from support.settings import ROOT

OLDEST_ETCD = "3.4"
"""Older ones are no longer maintained, and nobody has tried them here."""
DYNAMO_ENVIRONMENTS = ROOT / ".specs" / "dynamo"


def dynamo_versions() -> list[str]:
    """Installed versions of Dynamo, oldest first."""
    found = [place.parents[1].name for place in DYNAMO_ENVIRONMENTS.glob("*/bin/python") if _whole(place.parents[1])]
    return sorted(found, key=numbers)


def dynamo_python(version: str) -> Path:
    """The interpreter of that Dynamo's environment. Unavailable, naming what there is, when it is not installed."""
    python = DYNAMO_ENVIRONMENTS / version / "bin" / "python"
    if not python.exists() or not _whole(python.parents[1]):
        there = ", ".join(dynamo_versions()) or "none"
        raise Unavailable(
            f"Dynamo {version} is not installed (there is {there}): './specs setup --dynamo {version}' gets it"
        )
    return python


@cache
def etcd(folder: Path | None = None) -> tuple[Path, str]:
    """etcd and its version: the one in `folder`, else the newest of PATH and the installed wheel (3.5.1, old)."""
    if folder is not None:
        candidates = [folder / "etcd"]
        if not os.access(candidates[0], os.X_OK):
            raise Unavailable(
                f"there is no etcd in {folder}: -D etcd=FOLDER names the folder that holds the program etcd"
            )
    else:
        candidates = _on_path("etcd")
    if not candidates:
        raise Unavailable("etcd is missing: './specs setup' installs it")
    found = [(binary, _version(binary, "--version", r"etcd Version: (\S+)")) for binary in candidates]
    binary, version = max(found, key=lambda one: numbers(one[1]))
    if numbers(version) < numbers(OLDEST_ETCD):
        raise Unavailable(f"{binary} is etcd {version}, which is too old: {OLDEST_ETCD} or newer is needed")
    return binary, version


@cache
def nats_server() -> tuple[Path, str]:
    """nats-server and its version."""
    candidates = _on_path("nats-server")
    if not candidates:
        raise Unavailable("nats-server is missing: './specs setup' installs it")
    return candidates[0], _version(candidates[0], "--version", r": v(\S+)")


def programs(etcd_folder: Path | None = None) -> Programs:
    """All of them. etcd_folder: of the etcd to take."""
    return Programs(etcd=etcd(etcd_folder)[0], nats_server=nats_server()[0], dynamo=dynamo_python, root=ROOT)


def _whole(environment: Path) -> bool:
    """The set-up was not interrupted while it made it."""
    return not (environment / ".begun").exists()


def _on_path(program: str) -> list[Path]:
    """The program beside this interpreter (from a wheel) and the first on PATH, without doubles."""
    beside, on_path = Path(sys.prefix) / "bin" / program, shutil.which(program)
    found = {Path(candidate).resolve() for candidate in (beside, on_path) if candidate and Path(candidate).exists()}
    return sorted(found)


def _version(binary: Path, flag: str, pattern: str) -> str:
    try:
        done = subprocess.run([binary, flag], capture_output=True, text=True, timeout=10)
        said = done.stdout + done.stderr
    except (OSError, subprocess.TimeoutExpired) as failure:
        said = str(failure)
    match = re.search(pattern, said)
    if not match:
        raise Unavailable(f"{binary} {flag} does not tell its version: it said {said.strip()[:100]!r}")
    return match[1]


def numbers(version: str) -> tuple[int, ...]:
    """A version as numbers, to compare: "1.4.2" is (1, 4, 2)."""
    return tuple(int(number) for number in re.findall(r"\d+", version))
