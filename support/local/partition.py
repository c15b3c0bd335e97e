"""A partition between components of a local deployment: the agent's cuts, one in the namespace of each component."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from injector.agents.partition import Action, Cut, PartitionError
from support.deployment import Component, Partition
from support.errors import FaultError, Unavailable
from support.local.network import NAMESPACES, BridgedNetwork, Network, socket_in

_numbers = itertools.count(1)
_PROBED = 0.3  # seconds that an attempt to connect may take


class LocalPartition(Partition):
    """Both ends are cut: whoever is asked, packets are stopped."""

    def __init__(
        self,
        network: Network,
        one: Sequence[Component],
        other: Sequence[Component],
        *,
        action: Action,
        seconds: float,
        probed: int,
    ) -> None:
        """probed: a TCP port on which one of `other` listens, to show that it cannot be reached any more."""
        if not isinstance(network, BridgedNetwork):
            raise Unavailable("components can be cut off only where they have namespaces of their own")
        name = f"dynamo_fault_specs_{next(_numbers)}"
        self._probe = (self._namespace(network, one[0]), other[0].address, probed)
        self._words = f"{one[0].name} to {other[0].name}"
        self._cuts = [
            Cut(self._namespace(network, here), name, tuple(each.address for each in there), seconds, action, resets)
            for heres, there, resets in ((one, other, True), (other, one, False))
            for here in heres
        ]

    @staticmethod
    def _namespace(network: BridgedNetwork, component: Component) -> Path:
        return NAMESPACES / f"{component.name}.{network.name}"

    def cut(self) -> None:
        try:
            for each in self._cuts:
                each.inject()
        except PartitionError as failure:
            raise FaultError(str(failure)) from failure

    def proof(self) -> str:
        namespace, address, port = self._probe
        with socket_in(namespace, socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.settimeout(_PROBED)
            failure = probe.connect_ex((address, port))
        try:
            stopped = sum(each.packets() for each in self._cuts)
        except PartitionError as failure:
            raise FaultError(str(failure)) from failure
        if not failure or not stopped:
            raise FaultError(f"a partition was made, but {stopped} packets were stopped, and {self._words} connects")
        return f"no connection from {self._words} any more, {stopped} packets stopped"

    def mend(self) -> None:
        with suppress(FileNotFoundError):  # the namespace goes with its component
            for each in self._cuts:
                each.heal()
