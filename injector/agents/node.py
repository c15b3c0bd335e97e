"""The pods of a node of Kubernetes, found by the cgroups of their processes, whatever the container runtime is.

The kubelet names a pod's cgroup after its uid, and the runtime those of its containers after their ids, so
/proc/PID/cgroup says of every process whose it is. A pod's first process is that of its sandbox, which has the pod's
network namespace and keeps it while containers come and go. Needs the host's view of processes (hostPID).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from injector.agents.processes import Process, Stat, network_of, pids, stat_of
from injector.errors import Conflict, Forbidden
from injector.inventory import Identity, Victim


class NodeInventory:
    """Of this node."""

    def victim(self, name: str, identity: Identity | None) -> Victim:
        if identity is None:
            raise Conflict(f"{name} has no uid: this agent serves a node of Kubernetes")
        there = sorted(_of_pod(identity.uid), key=lambda one: (one.stat.start, one.pid))
        if not there:
            return Victim(name, None, ())
        if network_of(there[0].pid) == network_of(1):
            raise Forbidden(f"{name} is on its node's own network: choose another pod")
        return Victim(name, Path(f"/proc/{there[0].pid}/ns/net"), tuple(_leaders(there, identity)))


@dataclass(frozen=True)
class _Seen:
    pid: int
    stat: Stat
    cgroups: str


def _of_pod(uid: str) -> Iterator[_Seen]:
    names = (f"pod{uid}", f"pod{uid.replace('-', '_')}")  # as the cgroup drivers cgroupfs and systemd have it
    for pid in pids():
        try:
            cgroups = Path(f"/proc/{pid}/cgroup").read_text()
        except OSError:
            continue  # it has gone
        stat = stat_of(pid)
        if stat is not None and stat.state not in "ZX" and any(name in cgroups for name in names):
            yield _Seen(pid, stat, cgroups)


def _leaders(there: list[_Seen], identity: Identity) -> Iterator[Process]:
    """Of the sessions in its containers. there: the oldest first."""
    for container in identity.containers:
        inside = [one for one in there if container in one.cgroups]
        for one in inside:
            kept = one.stat.parent == inside[0].pid or not identity.kept
            if one.stat.session == one.pid and kept:
                yield Process(one.pid, one.stat.start)
