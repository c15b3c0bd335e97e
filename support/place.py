"""Where a component stands: an address, its ports, and how a process is started there."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

SHARED = "127.0.0.1"
"""Address of components that share loopback."""


@dataclass(frozen=True)
class Place:
    """Where one component stands."""

    address: str
    """By which the deployment's other components reach it: an IP address, or a name where they can look names up."""
    enter: tuple[str, ...] = ()
    """Program and arguments that run what follows them there."""
    ports: dict[int, int] = field(default_factory=dict)
    """Standard port to the one in use here; a port that is not in it is itself."""
    listens: str = ""
    """Address to listen on, when that is another one."""
    namespace: Path | None = None
    """Of its network on this machine, if it has one of its own."""

    def port(self, standard: int) -> int:
        return self.ports.get(standard, standard)

    def at(self, standard: int) -> str:
        """address:port of a standard port."""
        return f"{self.address}:{self.port(standard)}"

    def bound(self, standard: int) -> str:
        """address:port to listen on for a standard port."""
        return f"{self.listens or self.address}:{self.port(standard)}"

    @property
    def shared(self) -> bool:
        """Other components have the same address."""
        return self.address == SHARED
