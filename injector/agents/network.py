"""Partitions: packets between some pods are stopped at one or both ends, all or some of them.

Each end is a cut in a pod's network namespace (`injector.agents.partition`); the kernel ends it at the deadline.
"""

from __future__ import annotations

import contextlib
import errno
import select
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, IPvAnyAddress, ValidationError

from injector.agents import queues
from injector.agents.family import Family, NoEffect, StillThere, Work
from injector.agents.partition import Cut, Obstruction, PartitionError, tables
from injector.agents.sockets import socket_in
from injector.agents.waiting import awaited
from injector.errors import Conflict, Invalid
from injector.fault import Order
from injector.inventory import Node
from injector.words import Action, Direction, Kind

CONNECTS_WITHIN = 0.2
"""Seconds in which a connection to a neighbour would have been made."""
_STOPPED_WITHIN = 5.0
_TIMELY = 0.9
"""Share of a latency that a probe must see."""
_DISCARD = 9
"""A port on which hardly anybody listens."""
_DATAGRAM, _LARGE_DATAGRAM = 1400, 60_000
_NAMED = Path("/run/netns")


class Peer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    address: IPvAnyAddress
    port: int = Field(ge=1, le=65535)


class End(BaseModel):
    """A pod of this node that exchanges packets with these peers no more."""

    model_config = ConfigDict(extra="forbid")

    pod: str
    peers: list[Peer] = Field(min_length=1, max_length=1000)
    resets: bool = True
    """See `Cut.resets`."""


class Parameters(BaseModel):
    model_config = ConfigDict(extra="forbid")

    ends: list[End] = Field(min_length=1, max_length=1000)
    action: Action = Action.DROP
    direction: Direction = Direction.BOTH
    loss_percent: int = Field(default=100, ge=1, le=100)
    bytes_per_second: int | None = Field(default=None, ge=1)
    latency_ms: int | None = Field(default=None, ge=1)
    ports: list[int] = Field(default=[], max_length=100)
    """Of the peers."""

    def how(self) -> Obstruction:
        """Invalid for what contradicts itself."""
        if self.bytes_per_second and self.direction is Direction.IN:
            raise Invalid("a bandwidth can be limited where packets go out: say BOTH or OUT", field="direction")
        direction = {Direction.BOTH: "both", Direction.IN: "in", Direction.OUT: "out"}[self.direction]
        if self.latency_ms is not None:
            direction = "out"  # each end lets wait what goes out there
        try:
            return Obstruction(
                action="drop" if self.action is Action.DROP else "reject",
                direction=direction,  # type: ignore[arg-type]
                loss=self.loss_percent,
                bytes_per_second=self.bytes_per_second,
                ports=tuple(self.ports),
                latency=self.latency_ms,
            )
        except ValueError as failure:
            raise Invalid(str(failure), field="action") from failure


class Partition(Family):
    """Cuts, at one or both ends."""

    name = "partition"

    def __init__(self, node: Node) -> None:
        self._node = node

    def answers(self, order: Order) -> bool:
        return order.kind == Kind.NETWORK

    def available(self, order: Order) -> str | None:
        asked = parameters(order)
        asked.how()
        if missing := [program for program in ("nft", "nsenter") if not shutil.which(program)]:
            return f"this node has no {missing[0]}: install it"
        return _no_latency() if asked.latency_ms is not None else None

    def claims(self, order: Order) -> frozenset[str]:
        return frozenset(
            f"network of {end.pod} and {peer.address}" for end in parameters(order).ends for peer in end.peers
        )

    def plan(self, order: Order) -> dict[str, Any]:
        ends = []
        for end in parameters(order).ends:
            namespace = self._node.victim(end.pod, order.identities.get(end.pod)).namespace
            inode = namespace and _inode(namespace)
            if not inode:
                raise Conflict(f"{end.pod} has no network namespace now: wait until it runs")
            peers = [(str(peer.address), peer.port) for peer in end.peers]
            where = {"pod": end.pod, "namespace": str(namespace), "inode": inode}
            ends.append(where | {"peers": peers, "resets": end.resets})
        return {"ends": ends}

    def inject(self, work: Work) -> None:
        for _, cut in _cuts(work):
            cut.inject()
            work.step("cut")

    def verify(self, work: Work) -> str:
        how = parameters(work.fault.order).how()
        if how.latency is not None:
            return _seen_late(work, how.latency)
        tried = {} if how.condition else _tried(work)
        missing = awaited(lambda: _unstopped(work, how), within=_STOPPED_WITHIN) if how.condition else None
        counts = {end["pod"]: cut.packets() for end, cut in _cuts(work)}
        made = [pod for pod, error in tried.items() if error == 0]
        refused = [end["pod"] for end, _ in _cuts(work) if _refused_there(end, how, tried)]
        if made or missing or not all(count for pod, count in counts.items() if pod not in refused):
            raise NoEffect(f"{len(made)} ends still connect, {[*counts.values()]} packets were stopped at each")
        way = "some packets" if how.condition else "no connection any more, and packets"
        also = f"; the other end refuses {', '.join(refused)}" if refused else ""
        return f"{way} stopped at {len(counts)} ends: {', '.join(map(str, counts.values()))}{also}"

    def heal(self, work: Work) -> None:
        cuts = [cut for _, cut in _cuts(work)]
        with ThreadPoolExecutor(max_workers=8) as healing:  # each is a program that the kernel lets wait
            for _ in healing.map(_heal, cuts):
                work.step("healed")

    def gone(self, work: Work) -> str:
        standing = [end["pod"] for end, cut in _cuts(work) if _there(cut)]
        if standing:
            raise StillThere(f"the table {work.mark} is still there in {', '.join(standing)}")
        return f"no table {work.mark} any more at {len(work.undo['ends'])} ends"

    def victim_gone(self, work: Work) -> str | None:
        return None if list(_cuts(work)) else "the namespaces that it cut have gone"

    def lost(self, work: Work) -> str | None:
        taken = [end["pod"] for end, cut in _cuts(work) if not _there(cut)]
        return f"somebody took the table {work.mark} away in {', '.join(taken)}" if taken else None

    def departed(self, work: Work) -> tuple[str, ...]:
        there = {end["pod"] for end, _ in _cuts(work)}
        return tuple(name for name in work.fault.order.pods if name not in there)

    def leftovers(self, prefix: str) -> set[str]:
        return {table for namespace in _namespaces() for table in _tables(namespace) if table.startswith(prefix)}

    def sweep(self, mark: str) -> None:
        for namespace in _namespaces():
            if mark in _tables(namespace):
                queues.end(namespace, mark)
                Cut(namespace, mark, (), 0).heal()


def _heal(cut: Cut) -> None:
    with contextlib.suppress(FileNotFoundError):  # its namespace goes at this moment
        cut.heal()


def parameters(order: Order) -> Parameters:
    """Invalid, naming the first field that is wrong."""
    try:
        return Parameters.model_validate(order.parameters)
    except ValidationError as failure:
        first = failure.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise Invalid(f"{field}: {first['msg']}", field=f"parameters.{field}") from failure


def _cuts(work: Work) -> Iterator[tuple[dict[str, Any], Cut]]:
    """Each end whose namespace is still the one that it was, as planned, and its cut."""
    how = parameters(work.fault.order).how()
    for end in work.undo["ends"]:
        if namespace := _found(end, work.mark):
            peers = tuple(address for address, _ in end["peers"])
            yield end, Cut(namespace, work.mark, peers, work.seconds_left, how, end["resets"])


def _found(end: dict[str, Any], mark: str) -> Path | None:
    """Its namespace, if that is there: it may outlive the process by which it was reached."""
    namespace = Path(end["namespace"])
    if _inode(namespace) == end["inode"]:
        return namespace
    others = (other for other in _namespaces() if _inode(other) == end["inode"])
    return next((other for other in others if mark in _tables(other)), None)


def _inode(namespace: Path) -> int | None:
    try:
        return namespace.stat().st_ino
    except OSError:
        return None


def _there(cut: Cut) -> bool:
    try:
        return cut.there()
    except PartitionError:
        if cut.namespace.exists():
            raise
        return False


def _tried(work: Work) -> dict[str, int | None]:
    """One attempt from each end to its first peer: 0 where it was made, else its error; None where nothing happened."""
    with ExitStack() as open_ones:
        tried: dict[str, int | None] = {}
        waiting: dict[int, tuple[socket.socket, str]] = {}
        poll = select.poll()
        for end, cut in _cuts(work):
            address, port = end["peers"][0]
            probe = open_ones.enter_context(_probe(cut.namespace, address, socket.SOCK_STREAM))
            probe.setblocking(False)
            probe.connect_ex((address, port))
            poll.register(probe, select.POLLOUT)
            waiting[probe.fileno()] = (probe, end["pod"])
            tried[end["pod"]] = None
        until = time.monotonic() + CONNECTS_WITHIN
        while waiting and (left := until - time.monotonic()) > 0:
            for number, _ in poll.poll(left * 1000):
                probe, pod = waiting.pop(number)
                poll.unregister(number)
                tried[pod] = probe.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        return tried


def _seen_late(work: Work, milliseconds: int) -> str:
    """From each end a connection to its first peer takes as long. NoEffect."""
    took: dict[str, float] = {}
    for end, cut in _cuts(work):
        address, port = end["peers"][0]
        with _probe(cut.namespace, address, socket.SOCK_STREAM) as probe:
            probe.settimeout(milliseconds / 1000 + CONNECTS_WITHIN)
            begun = time.monotonic()
            with contextlib.suppress(OSError):  # also a refusal takes its time
                probe.connect((address, port))
            took[end["pod"]] = (time.monotonic() - begun) * 1000
    quick = [f"{pod} connects in {one:.0f} ms" for pod, one in took.items() if one < milliseconds * _TIMELY]
    if quick:
        raise NoEffect("; ".join(quick))
    counts = [cut.packets() for _, cut in _cuts(work)]
    seen = ", ".join(f"{one:.0f}" for one in took.values())
    return f"a connection takes {seen} ms at {len(took)} ends, and {', '.join(map(str, counts))} packets were late"


def _refused_there(end: dict[str, Any], how: Obstruction, tried: dict[str, int | None]) -> bool:
    """By its peer, which resets what comes: where that is on another node, nothing may have come in here yet."""
    both = how.direction == "both"
    return both and how.action == "reject" and not end["resets"] and tried.get(end["pod"]) == errno.ECONNREFUSED


def _unstopped(work: Work, how: Obstruction) -> str | None:
    """Send what must be stopped in part from each end where nothing was stopped so far; None when there is none."""
    idle = 0
    for end, cut in _cuts(work):
        if cut.packets():
            continue
        idle += 1
        address, _ = end["peers"][0]
        if how.direction == "in":
            _tried(work)  # what the peer answers comes in
            continue
        size = _LARGE_DATAGRAM if how.bytes_per_second else _DATAGRAM
        with _probe(cut.namespace, address, socket.SOCK_DGRAM) as probe:
            for _ in range(100 + (how.bytes_per_second or 0) // size):
                with contextlib.suppress(OSError):  # the kernel tells who sends of what it stops here
                    probe.sendto(bytes(size), (address, _DISCARD))
    return f"nothing was stopped at {idle} ends" if idle else None


def _probe(namespace: Path, address: str, kind: int) -> socket.socket:
    return socket_in(namespace, socket.AF_INET6 if ":" in address else socket.AF_INET, kind)


def _namespaces() -> list[Path]:
    """Every network namespace that has a name or a process, once."""
    found: dict[int, Path] = {}
    named = sorted(_NAMED.iterdir()) if _NAMED.is_dir() else []
    processes = [one for one in Path("/proc").iterdir() if one.name.isdigit()]
    for path in [Path("/proc/self/ns/net"), *named, *(one / "ns" / "net" for one in processes)]:
        inode = _inode(path)
        if inode is not None:
            found.setdefault(inode, path)
    return list(found.values())


def _tables(namespace: Path) -> list[str]:
    """Names of its tables; none when it has gone meanwhile, or is not ours to look into."""
    try:
        return tables(namespace)
    except PartitionError:
        return []


def _no_latency() -> str | None:
    """Why there is no added latency here; None when there is."""
    command = ["unshare", "--net", "--", "tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"]
    try:
        tried = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired) as failure:
        return f"latency needs the kernel's netem, which could not be tried here: {failure}"
    if tried.returncode:
        said = (tried.stderr.strip().splitlines() or ["no reason given"])[-1]
        return f"latency needs the kernel's netem, and this node has none ({said})"
    return None
