"""Calling the machine's installers (apt-get, pip, npm): their words go to a log, their failures become one sentence."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from support.errors import Unavailable
from support.setup import LOG, ROOT, STATE

DISK_FULL = f"the disk is full: free about 3 GB for {ROOT} and for the caches in your home folder, and call again"
NO_SPACE = re.compile(r"No space left on device|ENOSPC|Disk quota exceeded|not have enough free space", re.IGNORECASE)
NO_NETWORK = re.compile(
    r"NewConnectionError|NameResolutionError|Name or service not known|Temporary failure (in name resolution|resolving)"
    r"|Network is unreachable|Could not (resolve|connect)|Failed to establish a new connection|ConnectTimeout"
    r"|Connection refused|No route to host|ProxyError|ReadTimeoutError"
    r"|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ENETUNREACH|ETIMEDOUT",
    re.IGNORECASE,
)


class InstallerFailed(Unavailable):
    """An installer ended with an error; holds all that it said."""

    def __init__(self, said: str) -> None:
        super().__init__(said)
        self.said = said


def call(argv: Sequence[str | Path], *, environment: Mapping[str, str] | None = None, cwd: Path = ROOT) -> None:
    """Run an installer to its end. InstallerFailed when it fails.

    It inherits the descriptors that are marked so, that is the set-up's lock: killing a set-up does not kill its
    installer, and the next set-up must wait for that one.
    """
    STATE.mkdir(exist_ok=True)
    unwanted = ("PYTHONPATH", "PYTHONHOME", "PIP_USER", "PIP_TARGET", "PIP_PREFIX")
    inherited = {name: value for name, value in os.environ.items() if name not in unwanted}
    with LOG.open("a+b") as log:
        log.write(f"\n$ {' '.join(map(str, argv))}\n".encode())
        log.flush()
        start = log.tell()
        ended = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env={**inherited, **(environment or {})},
            close_fds=False,
        )
        log.seek(start)
        said = log.read().decode(errors="replace")
    if ended.returncode != 0:
        raise InstallerFailed(said)


LITTLE = 1 << 20
"""Bytes free, below which whatever failed has failed for want of space (ensurepip does not say)."""


@contextmanager
def explained(what: str, *, remedy: str = "call again") -> Iterator[None]:
    """Turn an InstallerFailed into one sentence: no space, no network, or the installer's last error."""
    try:
        yield
    except InstallerFailed as failure:
        raise Unavailable(_sentence(what, failure.said, remedy)) from None


def _sentence(what: str, said: str, remedy: str) -> str:
    if NO_SPACE.search(said) or shutil.disk_usage(STATE).free < LITTLE:
        return f"{what} because {DISK_FULL}"
    if NO_NETWORK.search(said):
        return f"{what} because its server cannot be reached: the first call needs a network; connect and call again"
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"(ERROR|E|error|npm error)\b", line)]
    last = (errors or lines or ["it said nothing"])[-1]
    return f"{what} ({last[:200]}): {remedy}; all that was said is in {LOG.relative_to(ROOT)}"
