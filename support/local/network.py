"""Where a local component stands: an address, its ports, and how a process is started there.

In the lab each component has a network namespace of its own on its deployment's bridge, as pods have. Where the
machine refuses namespaces, components share loopback and get ports that are free.
"""

from __future__ import annotations

import itertools
import random
import socket
import subprocess
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from injector.agents import sockets
from support.errors import Unavailable
from support.local import lab
from support.place import Place

HOSTS = Path("/etc/hosts")
NAMESPACES = Path("/run/netns")
_SHARED_PORTS = range(20_000, 32_768)
"""Dynamo 1.4.2 reads DYN_SYSTEM_PORT as an i16; below the ephemeral ports no connection takes one before its use."""


class Network(ABC):
    """The network of one deployment."""

    @abstractmethod
    def place(self, name: str, ports: tuple[int, ...]) -> Place:
        """A place for the component `name`, which will listen on these standard ports."""

    @abstractmethod
    def close(self) -> None:
        """Take away every place. The processes there have ended before. Safe to call twice."""


def network() -> Network:
    """A new network of the best kind this process can have."""
    return BridgedNetwork() if lab.inside() else SharedLoopback()


class BridgedNetwork(Network):
    """A bridge with one namespace per component: 10.77.N.0/24, standard ports."""

    _numbers = itertools.cycle(range(1, 255))
    _taken: ClassVar[set[int]] = set()

    def __init__(self) -> None:
        # In turn: what one deployment left in anybody's caches is old when its addresses are used again.
        number = next((one for one in itertools.islice(self._numbers, 254) if one not in self._taken), None)
        if number is None:
            raise Unavailable("254 deployments are up, as many as the address range holds: end some of them")
        self._number = number
        self._taken.add(number)
        self.name = f"d{number}"
        self._prefix = f"10.77.{number}"
        self._hosts = itertools.count(2)
        self._namespaces: list[str] = []
        self._links: list[str] = []
        self._closed = False
        _ip(
            [
                f"link add {self.name} type bridge",
                f"addr add {self._prefix}.1/24 dev {self.name}",
                f"link set {self.name} up",
            ]
        )

    def place(self, name: str, ports: tuple[int, ...]) -> Place:
        del ports  # all of them are free in a namespace of its own
        host = next(self._hosts)
        address, namespace, veth = f"{self._prefix}.{host}", f"{name}.{self.name}", f"{self.name}v{host}"
        _ip([f"netns add {namespace}"])
        self._namespaces.append(namespace)
        _ip(
            [
                f"link add {veth} type veth peer name eth0 netns {namespace}",
                f"link set {veth} master {self.name} up",
            ]
        )
        self._links.append(veth)
        inside = ["link set lo up", f"addr add {address}/24 dev eth0", "link set eth0 up"]
        _ip([*inside, f"route add default via {self._prefix}.1"], within=namespace)
        self._name_in_hosts(f"{address} {namespace}\n")
        file = NAMESPACES / namespace
        return Place(address, ("nsenter", f"--net={file}", "--"), namespace=file)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            # Links first: the kernel takes those of a deleted namespace away when it finds the time, and until then
            # their names are taken.
            links = [*self._links, self.name]
            _ip([*(f"link del {link}" for link in links), *(f"netns del {name}" for name in self._namespaces)])
            self._forget_in_hosts()
            self._taken.discard(self._number)

    def _name_in_hosts(self, line: str) -> None:
        if HOSTS.exists():
            with HOSTS.open("a") as hosts:
                hosts.write(line)

    def _forget_in_hosts(self) -> None:
        if HOSTS.exists():
            lines = HOSTS.read_text().splitlines(keepends=True)
            HOSTS.write_text("".join(line for line in lines if not line.rstrip().endswith(f".{self.name}")))


def socket_in(namespace: Path, family: int, kind: int, protocol: int = 0) -> socket.socket:
    """A new socket of that network namespace, where it stays; whoever uses it need not be there. Unavailable."""
    try:
        return sockets.socket_in(namespace, family, kind, protocol)
    except OSError as failure:
        raise Unavailable(f"the namespace {namespace.name} cannot be entered: {failure.strerror}") from failure


class SharedLoopback(Network):
    """127.0.0.1 for everyone, with ports that were free when asked for."""

    def place(self, name: str, ports: tuple[int, ...]) -> Place:
        held = [_listener() for _ in ports]
        try:
            free = {standard: held_socket.getsockname()[1] for standard, held_socket in zip(ports, held, strict=True)}
        finally:
            for held_socket in held:
                held_socket.close()
        return Place("127.0.0.1", ports=free)

    def close(self) -> None:
        """Nothing is held."""


def _listener() -> socket.socket:
    for port in random.sample(_SHARED_PORTS, len(_SHARED_PORTS)):
        with suppress(OSError):  # taken
            return socket.create_server(("127.0.0.1", port))
    raise Unavailable(f"no port of localhost from {_SHARED_PORTS[0]} to {_SHARED_PORTS[-1]} is free")


def _ip(commands: list[str], *, within: str | None = None) -> None:
    """Run `ip` commands, all in one process; within: in that namespace."""
    place = ["-n", within] if within else []
    told = "".join(f"{command}\n" for command in commands)
    done = subprocess.run(["ip", *place, "-batch", "-"], input=told, capture_output=True, text=True, timeout=60)
    if done.returncode:
        said, _, line = done.stderr.strip().rpartition("\nCommand failed -:")
        failed = commands[int(line) - 1] if line.isdigit() else commands[0]
        raise Unavailable(f"'ip {' '.join([*place, failed])}' failed: {said or done.stderr.strip()}")
