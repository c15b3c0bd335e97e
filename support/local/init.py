"""Process 1 of a lab: prepares it, runs the command given, collects orphans, ends with the command's status.

Run as a program by `support.local.lab.enter`, with the standard library alone.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

MARK = "DYNAMO_FAULT_SPECS_LAB"
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
HOSTS = "127.0.0.1 localhost\n::1 localhost\n"


def main(argv: list[str]) -> int:
    # Signals may come from outside before the child is there: they wait, else they would end the lab or be lost.
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    prepare()
    os.environ[MARK] = str(Path("/proc/self/ns/net").readlink())
    child = os.posix_spawnp(argv[0], argv, os.environ, setsigmask=[], setsigdef=SIGNALS)
    for number in SIGNALS:
        signal.signal(number, lambda received, frame: _tell(child, received))
    if os.isatty(0) and os.tcgetpgrp(0) == os.getpgrp():
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # The terminal tells the child itself.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    while True:
        ended, status = os.wait()
        if ended == child:
            return os.waitstatus_to_exitcode(status)


def _tell(child: int, received: int) -> None:
    with suppress(ProcessLookupError):  # it has just ended
        os.kill(child, received)


def prepare() -> None:
    """Loopback up; /run of our own (named namespaces live there); names resolve without a server.

    A look-up in a namespace without a route waits 10 s (measured), and a minimal Debian has no /etc/hosts.
    """
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "lab", "/run"], check=True)
    Path("/run/netns").mkdir()
    with tempfile.TemporaryDirectory(dir="/run") as folder:
        for name, text in (("hosts", HOSTS), ("resolv.conf", "")):
            ours = Path(folder) / name
            ours.write_text(text)
            place = Path("/etc") / name
            if place.exists():
                subprocess.run(["mount", "--bind", str(ours), str(place)], check=True)


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.exit(status if status >= 0 else 128 - status)
