"""What etcd's members say while a deployment is under load: `etcd.jsonl` in the load's folder.

A line is {"at": seconds since the epoch, "member": "etcd-0", "id": its id, "leader": the id of the member that leads as
far as it knows (0: nobody), "term": ..., "revision": ..., "agrees": whether it answers with the consent of a majority}.
A time at which a member does not answer at all has no line.
"""

from __future__ import annotations

import json
import threading
import time
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from support.deployment import Deployment

if TYPE_CHECKING:
    from support.etcd import Line

FILE = "etcd.jsonl"
EVERY = 0.2
"""Seconds."""


@dataclass(frozen=True)
class EtcdLook:
    """One look at one member."""

    at: float
    member: str
    id: int
    leader: int
    term: int
    revision: int
    agrees: bool

    @property
    def leads(self) -> bool:
        """It takes itself for the leader, and a majority follows it."""
        return self.leader == self.id and self.agrees


class EtcdKeeper:
    """Looks at every member of a cluster, each in a thread of its own: one that is silent delays nobody."""

    def __init__(self, deployment: Deployment, folder: Path, *, clock_offset: float) -> None:
        """clock_offset: seconds to add to CLOCK_MONOTONIC for seconds since the epoch. A single etcd is no cluster."""
        from support.etcd import EtcdCluster, Line  # gRPC takes 0.1 s, which only its scenarios should cost

        self._offset = clock_offset
        self._file = (folder / FILE).open("a")
        self._writing, self._over = threading.Lock(), threading.Event()
        self._threads = [
            threading.Thread(target=self._keep, args=(member.name, Line(member)), name=member.name, daemon=True)
            for member in EtcdCluster(deployment).members
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Return when nobody looks any more. Safe to call twice."""
        self._over.set()
        for thread in self._threads:
            thread.join()
        self._file.close()

    def _keep(self, member: str, line: Line) -> None:
        with closing(line):
            while not self._over.wait(EVERY):
                with suppress(ConnectionError):
                    self._write(look_at(member, line, clock_offset=self._offset))

    def _write(self, seen: EtcdLook) -> None:
        with self._writing:
            self._file.write(json.dumps(asdict(seen)) + "\n")
            self._file.flush()


def look_at(member: str, line: Line, *, clock_offset: float) -> EtcdLook:
    """What a member says of itself after the others have agreed: one that was just elected tells its old term until it
    has stored something in the new one (etcd 3.5). Where leadership moved meanwhile it is what it said before: they may
    have agreed with another one. ConnectionError."""
    status = line.status()
    at, agrees = time.monotonic() + clock_offset, line.agrees()
    if agrees and (later := line.status()).leader == status.leader:
        status = later
    return EtcdLook(at, member, status.member, status.leader, status.term, status.revision, agrees)


def etcd_looks(folder: Path) -> list[EtcdLook]:
    """All looks of a load in order of time; none where nobody looked."""
    file = folder / FILE
    lines = file.read_text().splitlines() if file.exists() else []
    return sorted((EtcdLook(**json.loads(line)) for line in lines), key=lambda look: look.at)
