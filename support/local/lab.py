"""The lab: kernel namespaces that a whole local run lives in, so that nothing of it can outlive it.

`enter(argv)`, or `python -m support.local.lab ARGV`, runs argv inside new mount, network and process namespaces (and a
user namespace when not root) and ends this process with its exit status. Three processes stand in a row:

    this process    outside; passes signals on, and relays what a user must reach from outside (`./specs up`)
    unshare         ends with this process (setpriv --pdeathsig), its child ends with it (--kill-child)
    init            process 1 inside (support.local.init): prepares the lab, runs argv, collects orphans

Whoever is killed, however, the kernel ends everything that came after it, and with the last process go the
namespaces, bridges and firewall rules. Nothing here touches the machine's own network.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import NoReturn

from support.errors import Unavailable
from support.process import ends_with_us

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""Passed on to what runs in the lab."""
MARK = "DYNAMO_FAULT_SPECS_LAB"
"""Environment variable that names the lab's network namespace, set by init."""
NEEDED = {"unshare": "util-linux", "setpriv": "util-linux", "nsenter": "util-linux", "mount": "mount", "ip": "iproute2"}
"""Programs without which there is no lab, and the Debian packages that hold them."""


def inside() -> bool:
    """This process is in a lab (and not merely started with a lab's environment)."""
    return os.environ.get(MARK) == network_namespace()


def network_namespace() -> str:
    return str(Path("/proc/self/ns/net").readlink())


def unavailable() -> str | None:
    """Why there can be no lab here, in one sentence; None when there can. Tries it, in about 10 ms."""
    missing = {program: package for program, package in NEEDED.items() if not shutil.which(program)}
    if missing:
        packages = " ".join(sorted(set(missing.values())))
        return f"{', '.join(missing)} missing: apt-get install {packages}"
    trial = "mount -t tmpfs lab /run && mkdir /run/netns && ip netns add trial && ip link add try0 type veth peer try1"
    tried = subprocess.run([*_unshare(), "sh", "-c", trial], capture_output=True, text=True)
    if tried.returncode == 0:
        return None
    said = (tried.stderr.strip().splitlines() or ["no reason given"])[-1]
    return f"this machine refuses namespaces ({said}); './specs doctor' says what to do"


def enter(
    argv: list[str],
    *,
    interactive: bool = False,
    beside: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> NoReturn:
    """Run argv in a new lab and exit with its status. Unavailable when there can be no lab.

    interactive: argv keeps the terminal's foreground (a shell); else signals that this process gets are passed on.
    beside: entered out here while argv runs in there.
    """
    reason = unavailable()
    if reason:
        raise Unavailable(reason)
    sys.stdout.flush()
    sys.stderr.flush()
    init = [sys.executable, "-P", str(Path(__file__).with_name("init.py"))]
    with beside():
        # Inherited by all three processes: a signal that comes early waits until there is someone to pass it on to.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        process = subprocess.Popen(ends_with_us([*_unshare(), *init, *argv]), start_new_session=not interactive)
        while process.poll() is None and not _children(process.pid):
            os.sched_yield()  # a millisecond, until unshare has its child
        _pass_signals_on(process.pid, interactive)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        status = process.wait()
    os._exit(status if status >= 0 else 128 - status)


def first_process(outside: int) -> int:
    """Number, out here, of process 1 of the lab that the process `outside` has entered."""
    (unshare,) = _children(outside)
    (init,) = _children(unshare)
    return init


def _children(process: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def _unshare() -> list[str]:
    as_user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    namespaces = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    return ["unshare", *as_user, *namespaces, "--"]


def _pass_signals_on(unshare: int, interactive: bool) -> None:
    """unshare itself holds SIGINT and SIGTERM back, so they go to its child; the terminal's go to a shell directly."""

    def pass_on(number: int, frame: object) -> None:
        with suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
            for child in _children(unshare):
                os.kill(child, number)

    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN if interactive and number == signal.SIGINT else pass_on)


if __name__ == "__main__":
    enter(sys.argv[1:])
