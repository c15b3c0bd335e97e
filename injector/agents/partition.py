"""Partitions: a network namespace and some addresses exchange packets no more, not all, or late, for a bounded time.

Each cut is one nft table of its own in the namespace. Addresses stand in sets whose elements have a timeout, so the
kernel ends a cut at its deadline whatever became of us; heal() takes the table away. Established connections are cut
at once. IPv4 and IPv6.

What is late is marked by such a table, and waits in a queue of the kernel (tc: htb, netem below it) that takes what
is marked alone: at the deadline nothing is marked any more.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from injector.agents import queues
from injector.agents.inside import KernelRefusal, run_in

Action = Literal["drop", "reject"]
"""drop: silence, the peers wait for their timeouts. reject: whoever sends is answered with a reset at once; of what
goes out alone, new connections are refused, and those that are there go on, as by a firewall that knows them."""
Direction = Literal["both", "in", "out"]
"""Of the packets that are stopped, as seen from the namespace."""
_COUNTER = "cut"


class PartitionError(KernelRefusal):
    """The kernel would not make, tell of, or take back a cut; says in nft's words why."""


@dataclass(frozen=True)
class Obstruction:
    """What becomes of packets. ValueError for what cannot be."""

    action: Action = "drop"
    direction: Direction = "both"
    loss: int = 100
    """Percent of the packets that are stopped, each by chance."""
    bytes_per_second: int | None = None
    """Only what is beyond that rate is stopped, in each direction for itself; a packet that is larger than what one
    second carries always is."""
    ports: tuple[int, ...] = ()
    """Only TCP from and to these ports of the peers; none: all there is."""
    latency: int | None = None
    """Milliseconds that what goes out to the peers waits; nothing is stopped."""

    def __post_init__(self) -> None:
        if not 0 < self.loss <= 100:
            raise ValueError(f"a loss of {self.loss} percent makes no sense: say 1 to 100")
        if self.bytes_per_second is not None and self.bytes_per_second < 1:
            raise ValueError(f"{self.bytes_per_second} bytes a second make no sense: say 1 or more")
        if not all(0 < port < 65536 for port in self.ports):
            raise ValueError(f"a port is 1 to 65535, and not all of {', '.join(map(str, self.ports))} are")
        rest = (self.action, self.direction, self.loss, self.bytes_per_second, self.ports)
        if self.latency is not None and rest != ("drop", "out", 100, None, ()):
            raise ValueError("what is late goes out, and is not stopped: say nothing else with a latency")
        if self.latency is not None and not 0 < self.latency <= 60_000:
            raise ValueError(f"a latency of {self.latency} ms makes no sense: say 1 to 60000")
        if self.ports and self.condition:
            raise ValueError("what is stopped at some ports is stopped there whole: leave loss and bandwidth out")
        if self.action == "reject" and (self.direction == "in" or self.condition or self.ports):
            raise ValueError("what is rejected is all of it, in both directions, or new connections that go out")

    @property
    def condition(self) -> str:
        """nft's words for a packet that is stopped; empty when all are."""
        if self.bytes_per_second is not None:
            return f"limit rate over {self.bytes_per_second} bytes/second "
        return "" if self.loss == 100 else f"numgen random mod 100 < {self.loss} "


@dataclass(frozen=True)
class Cut:
    """One end of a partition."""

    namespace: Path
    """Of the network namespace in which the rules stand, e.g. /run/netns/NAME."""
    name: str
    """Of the nft table; one of ours is known by it."""
    peers: tuple[str, ...]
    """Addresses with which no packet is exchanged."""
    seconds: float
    """After which the kernel lets packets through again."""
    how: Obstruction = Obstruction()
    resets: bool = True
    """Of a reject: what is connected is reset from here. One end of a partition does that, the other one lets the
    resets through and refuses new connections only; if both did, none would arrive."""

    def inject(self) -> None:
        """Make it. PartitionError when the kernel refuses, ValueError for no or bad addresses."""
        if not self.peers:
            raise ValueError("a cut needs at least one peer")
        self._nft("-f", "-", text=self._rules())
        if self.how.latency is not None:
            queues.delay(self.namespace, self.name, self.peers, self.how.latency)

    def packets(self) -> int:
        """How many it has stopped so far. PartitionError when it is not there."""
        told = json.loads(self._nft("-j", "list", "counter", "inet", self.name, _COUNTER))
        return sum(int(each["counter"]["packets"]) for each in told["nftables"] if "counter" in each)

    def there(self) -> bool:
        """Its table is there; whether it still stops anything is up to its deadline."""
        return self.name in tables(self.namespace)

    def heal(self) -> None:
        """Take it away. Safe to call twice, and when the namespace has gone."""
        if not self.namespace.exists():
            return
        if self.how.latency is not None:
            queues.end(self.namespace, self.name)
        try:
            self._nft("delete", "table", "inet", self.name)
        except PartitionError:
            if self.namespace.exists() and self.there():
                raise

    def _rules(self) -> str:
        chains = [
            f"chain inet {self.name} {hook} {{ type filter hook {hook} priority -150; policy accept; }}"
            for hook in ("input", "output")
        ]
        lines = [f"table inet {self.name}", f"counter inet {self.name} {_COUNTER}", *chains]
        for family, addresses in _by_family(self.peers).items():
            elements = ", ".join(f"{address} timeout {int(self.seconds * 1000)}ms" for address in addresses)
            kind = {"ip": "ipv4_addr", "ip6": "ipv6_addr"}[family]
            lines.append(f"set inet {self.name} peers_{family} {{ type {kind}; flags timeout; }}")
            lines.append(f"element inet {self.name} peers_{family} {{ {elements} }}")
            lines += [f"rule inet {self.name} {rule}" for rule in self._of(family)]
        return "".join(f"add {line}\n" for line in lines)

    def _of(self, family: str) -> list[str]:
        comes, goes = f"input {family} saddr @peers_{family}", f"output {family} daddr @peers_{family}"
        if self.how.ports:
            ports = f"{{ {', '.join(map(str, self.how.ports))} }}"
            comes, goes = f"{comes} tcp sport {ports}", f"{goes} tcp dport {ports}"
        stop = f"counter name {_COUNTER}"
        if self.how.latency is not None:
            return [f"{goes} {stop} meta priority set {queues.marked(self.name)}"]
        if self.how.action == "drop":
            which = {"both": [comes, goes], "in": [comes], "out": [goes]}[self.how.direction]
            return [f"{way} {self.how.condition}{stop} drop" for way in which]
        # What comes in is answered, so that its sender hears of it. What goes out must reach the peer, which answers it
        # (at least by an acknowledgement) and is reset then; the peer's kernel resets this end at the next packet.
        refuse = f"{stop} reject with tcp reset"
        if self.how.direction == "out":
            return [f"{goes} tcp flags & (syn | ack) == syn {refuse}"]
        new = f"{comes} tcp flags & (syn | ack) == syn {refuse}"
        rest = [f"{comes} tcp flags & rst == rst accept", f"{comes} meta l4proto tcp {refuse}"] if self.resets else []
        return [new, *rest, f"{comes} meta l4proto != tcp {stop} drop"]

    def _nft(self, *words: str, text: str | None = None) -> str:
        return _nft(self.namespace, *words, text=text)


def tables(namespace: Path) -> list[str]:
    """Names of every table of a network namespace. PartitionError when the kernel does not tell."""
    told = json.loads(_nft(namespace, "-j", "list", "tables"))
    return [each["table"]["name"] for each in told["nftables"] if "table" in each]


def _nft(namespace: Path, *words: str, text: str | None = None) -> str:
    try:
        return run_in(namespace, "nft", *words, text=text)
    except KernelRefusal as refusal:
        raise PartitionError(str(refusal)) from refusal


def _by_family(addresses: Iterable[str]) -> dict[str, list[str]]:
    """nft's name of the family to its addresses. ValueError for what is no address."""
    families: dict[str, list[str]] = {}
    for address in addresses:
        families.setdefault("ip6" if ipaddress.ip_address(address).version == 6 else "ip", []).append(address)
    return families
