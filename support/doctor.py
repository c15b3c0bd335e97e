"""`./specs doctor`: what this machine can do, what each missing thing makes unavailable, and how to get it.

Standard library only: it must also answer where the set-up cannot get through.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from support.errors import SpecsError
from support.local import installed
from support.settings import DEFAULT_DYNAMO
from support.setup import MAIN, REPORT
from support.setup.programs import PACKAGES

NAMESPACES = ("--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
AS_USER = ("--user", "--map-root-user")
NOBODY = 65534
SETUP = "./specs setup"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing looked at. seen: what was found; the rest matters when it is not ok."""

    name: str
    ok: bool
    seen: str
    without_it: str
    remedy: str
    essential: bool = False
    """The default selection cannot run without it."""


def report(*, as_json: bool = False) -> int:
    """Examine, print, and return the exit status: 0 unless the default selection cannot run here."""
    findings = examine()
    able = all(finding.ok for finding in findings if finding.essential)
    if as_json:
        everything = [dataclasses.asdict(finding) for finding in findings]
        print(json.dumps({"default_selection": able, "findings": everything}, indent=2))
    else:
        print(table(findings, width=min(shutil.get_terminal_size((120, 24)).columns, 120)))
        print(f"\nThe default selection {'can' if able else 'CANNOT'} run on this machine.")
    return 0 if able else 1


def examine() -> list[Finding]:
    """Everything, in the order of the table. Each thing is tried, not guessed; nothing is changed."""
    return [*_namespaces(), *_in_namespaces(), _kernel_log(), *_installed(), *_for_the_report(), *_kubernetes()]


def table(findings: Sequence[Finding], *, width: int) -> str:
    """For people: one line each, and for a missing thing two more."""
    lines = []
    for finding in findings:
        first = f"{'ok' if finding.ok else 'missing':<8}{finding.name:<30}"
        lines += _wrapped(finding.seen, width, first, 38)
        if not finding.ok:
            lines += _wrapped(finding.without_it, width, " " * 8 + "without it: ", 20)
            lines += _wrapped(finding.remedy, width, " " * 8 + "to get it:  ", 20)
    return "\n".join(lines)


def _wrapped(text: str, width: int, first: str, indent: int) -> list[str]:
    return textwrap.wrap(text, width, initial_indent=first, subsequent_indent=" " * indent, break_on_hyphens=False)


def _namespaces() -> list[Finding]:
    """As root and as an ordinary user; only the one we are is essential."""
    root = os.geteuid() == 0
    as_nobody = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] if root else []
    user_works, user_said = _tried([*as_nobody, "unshare", *AS_USER, *NAMESPACES, "true"])
    user = Finding(
        name="namespaces, as a user",
        ok=user_works,
        seen="tried: they work" if user_works else f"refused: {user_said}",
        without_it="a user who is not root cannot run the local target",
        remedy=refusal_remedy(root=False),
        essential=not root,
    )
    if not root:
        return [user]
    works, said = _tried(["unshare", *NAMESPACES, "true"])
    as_root = Finding(
        name="namespaces, as root",
        ok=works,
        seen="tried: they work" if works else f"refused: {said}",
        without_it="the local target cannot run: every component lives in a network namespace of its own",
        remedy=refusal_remedy(root=True),
        essential=True,
    )
    return [as_root, user]


def refusal_remedy(*, root: bool, proc: Path = Path("/proc")) -> str:
    """Who refuses namespaces here, and what to do; from the kernel's settings below `proc`."""
    if not shutil.which("unshare"):
        return "sudo apt-get install util-linux"
    if not root and _number(proc / "sys/kernel/apparmor_restrict_unprivileged_userns") == 1:
        return (
            "AppArmor restricts user namespaces (Ubuntu since 23.10): run as root, or "
            "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0"
        )
    if not root and _number(proc / "sys/kernel/unprivileged_userns_clone") == 0:
        return "the kernel is set to refuse users: run as root, or sudo sysctl kernel.unprivileged_userns_clone=1"
    if not root and _number(proc / "sys/user/max_user_namespaces") == 0:
        return "the kernel allows no user namespaces: run as root, or sudo sysctl user.max_user_namespaces=15000"
    if _status(proc, "Seccomp") == "2":
        return (
            "a seccomp filter is in force, as in a container: start the container with --privileged, "
            "or with --security-opt seccomp=unconfined --cap-add SYS_ADMIN --cap-add NET_ADMIN"
        )
    return "run as root, or on a machine (not in a container) whose kernel has user namespaces"


def _number(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None


def _status(proc: Path, key: str) -> str:
    match = re.search(rf"^{key}:\s*(\S+)", (proc / "self/status").read_text(), re.MULTILINE)
    return match[1] if match else ""


def _in_namespaces() -> list[Finding]:
    """Each tried in a throw-away namespace, so nothing of this machine is touched."""
    bridge = "ip link add b0 type bridge && ip link add v0 type veth peer v1 && ip link set v0 master b0"
    timeouts = "nft add table inet t && nft 'add set inet t s { type ipv4_addr; timeout 1s; }'"
    rate = "ip link set lo up && tc qdisc add dev lo root tbf rate 1mbit burst 32kbit latency 100ms"
    delay = "ip link set lo up && tc qdisc add dev lo root netem delay 10ms loss 1%"
    return [
        _trial("bridges and veth pairs", bridge, ["ip"], "the local target has no network", essential=True),
        _trial("nft, sets with timeouts", timeouts, ["nft"], "partitions (no connection) are skipped"),
        _trial("tc tbf (limited bandwidth)", rate, ["tc"], "faults that limit bandwidth are skipped"),
        _trial("tc netem (delay, loss)", delay, ["tc"], "faults that delay or lose packets are skipped"),
    ]


def _trial(name: str, script: str, programs: list[str], without_it: str, *, essential: bool = False) -> Finding:
    absent = [program for program in programs if not shutil.which(program)]
    if absent:
        works, said = False, f"the program {absent[0]} is not there"
        remedy = f"sudo apt-get install {PACKAGES[absent[0]]}"
    else:
        as_user = [] if os.geteuid() == 0 else AS_USER
        works, said = _tried(["unshare", *as_user, *NAMESPACES, "sh", "-c", script])
        remedy = "a kernel that has this module: sudo apt-get install linux-modules-extra-$(uname -r), on Ubuntu"
    seen = "tried: it works" if works else f"does not work: {said}"
    return Finding(name=name, ok=works, seen=seen, without_it=without_it, remedy=remedy, essential=essential)


def _tried(argv: Sequence[str]) -> tuple[bool, str]:
    """Whether it ended well, and the last that it said."""
    try:
        ended = subprocess.run(argv, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired) as failure:
        return False, str(failure)
    said = (ended.stderr + ended.stdout).strip().splitlines()
    return ended.returncode == 0, said[-1] if said else f"exit status {ended.returncode}"


def _kernel_log() -> Finding:
    log = Path("/dev/kmsg")
    try:
        os.close(os.open(log, os.O_RDWR | os.O_NONBLOCK))
        ok, seen = True, f"{log} can be read and written"
    except OSError as failure:
        ok, seen = False, f"{log}: {failure.strerror}"
    return Finding(
        name="kernel log",
        ok=ok,
        seen=seen,
        without_it="XID errors of GPUs cannot be written where monitors look for them, and are skipped",
        remedy="run as root, in a container with --device /dev/kmsg and --cap-add SYSLOG",
    )


def _installed() -> list[Finding]:
    versions = installed.dynamo_versions()
    dynamo = Finding(
        name="Dynamo",
        ok=DEFAULT_DYNAMO in versions,
        seen=", ".join(versions) or f"not installed, the default is {DEFAULT_DYNAMO}",
        without_it="there is nothing to test",
        remedy=f"{SETUP} (another version: {SETUP} --dynamo VERSION)",
        essential=True,
    )
    return [
        dynamo,
        _program("etcd", lambda: installed.etcd()[1], "workers cannot be discovered", essential=True),
        _program(
            "nats-server", lambda: installed.nats_server()[1], "the NATS request plane is skipped", essential=True
        ),
    ]


def _for_the_report() -> list[Finding]:
    without_it = "there is no HTML report; results and JUnit files are written"
    return [_program("node", _node, without_it), _program("allure", _allure, without_it)]


def _program(name: str, version: Callable[[], str], without_it: str, *, essential: bool = False) -> Finding:
    try:
        ok, seen = True, version()
    except FileNotFoundError:
        ok, seen = False, "not installed"
    except (SpecsError, OSError, subprocess.SubprocessError, ValueError) as failure:
        ok, seen = False, str(failure)
    return Finding(name=name, ok=ok, seen=seen, without_it=without_it, remedy=SETUP, essential=essential)


def _node() -> str:
    argv = [str(MAIN / "bin" / "node"), "--version"]
    said = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=20).stdout
    return said.strip().removeprefix("v")


def _allure() -> str:
    manifest = REPORT / "node_modules" / "allure" / "package.json"
    version: str = json.loads(manifest.read_text())["version"]
    return version


def _kubernetes() -> list[Finding]:
    """The context of the first file of KUBECONFIG that has one and, after the set-up, what its cluster allows."""
    context = _context()
    if not context.ok or importlib.util.find_spec("kubernetes") is None:
        return [context]
    from support.kubernetes_target import allowed

    ok, seen, remedy = allowed.told()
    without_it = "-D target=kubernetes is not possible"
    return [context, Finding(name="Kubernetes cluster", ok=ok, seen=seen, without_it=without_it, remedy=remedy)]


def _context() -> Finding:
    """No server is asked."""
    files = os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    found = [context for file in files.split(os.pathsep) if file for context in _contexts(Path(file))]
    return Finding(
        name="Kubernetes context",
        ok=bool(found),
        seen=found[0] if found else f"no current-context in {files}",
        without_it="-D target=kubernetes is not possible; the local target needs none",
        remedy="set KUBECONFIG to a file whose current-context is a cluster to test on",
    )


def _contexts(file: Path) -> list[str]:
    try:
        return re.findall(r"^current-context:\s*['\"]?([^'\"\s]+)", file.read_text(), re.MULTILINE)
    except OSError:
        return []


if __name__ == "__main__":
    sys.exit(report(as_json="--json" in sys.argv))
