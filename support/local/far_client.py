"""A client with a network namespace of its own on a deployment's bridge, so that its link can be cut."""

from __future__ import annotations

import socket
import subprocess

from support.deployment import FarClient
from support.errors import FaultError, Unavailable
from support.local.network import NAMESPACES, BridgedNetwork, Network, socket_in


class NamespacedClient(FarClient):
    """Its sockets are made in its namespace, where they stay; whoever uses them need not be there."""

    def __init__(self, network: Network, name: str) -> None:
        if not isinstance(network, BridgedNetwork):
            raise Unavailable("a client's link can be cut only where components have namespaces of their own")
        self.name = name
        place = network.place(name, ())
        self.address = place.address
        self._namespace = NAMESPACES / f"{name}.{network.name}"
        self._link = f"{network.name}v{place.address.rpartition('.')[2]}"

    def socket(self, family: int, kind: int, protocol: int) -> socket.socket:
        """A new one in its namespace."""
        return socket_in(self._namespace, family, kind, protocol)

    def cut(self) -> None:
        self._switch("down")

    def mend(self) -> None:
        self._switch("up")

    @property
    def cut_off(self) -> bool:
        sent = subprocess.run(["ip", "-o", "link", "show", self._link], capture_output=True, text=True, check=True)
        return "state DOWN" in sent.stdout

    def _switch(self, state: str) -> None:
        done = subprocess.run(["ip", "link", "set", self._link, state], capture_output=True, text=True)
        if done.returncode:
            raise FaultError(f"the link of the {self.name} could not be set {state}: {done.stderr.strip()}")
