"""A partition between components of a local deployment: the agent's cuts, in the namespaces of the components."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from injector.agents.partition import Cut, Obstruction, PartitionError
from support.deployment import Component, Partition
from support.errors import FaultError, Unavailable
from support.local.network import NAMESPACES, BridgedNetwork, Network, socket_in
from support.waiting import eventually

_numbers = itertools.count(1)
_PROBED = 0.3  # seconds that an attempt to connect may take
_TRIES = 20
"""Attempts at once to reach somebody through a partial partition: a link that is slow, or loses some, bears a few."""
_STOPPED_WITHIN = 5.0  # seconds in which one packet of those between the two sides must have been stopped


class LocalPartition(Partition):
    """A full one is cut at both ends: whoever is asked, packets are stopped. Any other one stands at `one` alone."""

    def __init__(
        self,
        network: Network,
        one: Sequence[Component],
        other: Sequence[Component],
        how: Obstruction,
        *,
        seconds: float,
        probed: int,
    ) -> None:
        """probed: a TCP port on which the first of `other` listens, for attempts to reach it."""
        if not isinstance(network, BridgedNetwork):
            raise Unavailable("components can be cut off only where they have namespaces of their own")
        self._how = how
        self._name, self._seconds = f"dynamo_fault_specs_{next(_numbers)}", seconds
        self._probe = (self._namespace(network, one[0]), other[0].address, probed)
        self._words = f"{one[0].name} to {other[0].name}"
        self._cuts = list(self._ends(network, one, other))
        if how in (Obstruction("drop"), Obstruction("reject")):
            self._cuts += self._ends(network, other, one, resets=False)

    def _ends(
        self, network: BridgedNetwork, here: Sequence[Component], there: Sequence[Component], *, resets: bool = True
    ) -> Iterator[Cut]:
        peers = tuple(each.address for each in there)
        for each in here:
            yield Cut(self._namespace(network, each), self._name, peers, self._seconds, self._how, resets)

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
        """One connection that fails, and packets stopped; of a partial one, packets stopped of some connections."""
        if self._how.condition:
            eventually(
                self._stopped_some,
                within=_STOPPED_WITHIN,
                describe=f"a packet from {self._words} is stopped",
                error=FaultError,
            )
            return f"{self._stopped()} packets from {self._words} stopped, not all"
        if self._connects() or not self._stopped():
            raise FaultError(
                f"a partition was made, but {self._stopped()} packets were stopped, and {self._words} connects"
            )
        return f"no connection from {self._words} any more, {self._stopped()} packets stopped"

    def _connects(self) -> bool:
        namespace, address, port = self._probe
        with socket_in(namespace, socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.settimeout(_PROBED)
            return not probe.connect_ex((address, port))

    def _stopped_some(self) -> bool:
        for _ in range(_TRIES):
            if not self._connects():
                break
        return self._stopped() > 0

    def _stopped(self) -> int:
        try:
            return sum(each.packets() for each in self._cuts)
        except PartitionError as failure:
            raise FaultError(str(failure)) from failure

    def mend(self) -> None:
        with suppress(FileNotFoundError):  # the namespace goes with its component
            for each in self._cuts:
                each.heal()
