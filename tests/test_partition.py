"""Partitions: what the kernel stops, for how long, and what is left of them."""

from __future__ import annotations

import itertools
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import pytest

from injector.agents import queues
from injector.agents.inside import KernelRefusal, run_in
from injector.agents.partition import Cut, Direction, Obstruction, PartitionError
from support.errors import UsageError
from support.faults import Stage
from support.faults.partition import CutOff
from support.local.network import NAMESPACES, BridgedNetwork, socket_in
from support.waiting import eventually
from tests.in_lab import in_lab, lab_process

PORT = 2379
QUIET = 0.3
"""Seconds in which a packet that is let through would have arrived."""


@pytest.fixture(scope="module", autouse=True)
def in_one_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with lab_process(tmp_path_factory.mktemp("lab")):
        yield


class Two:
    """Two namespaces on one bridge with a connection between them."""

    _names = itertools.count()

    def __init__(self) -> None:
        self._net = BridgedNetwork()
        names = [f"{side}-{next(self._names)}" for side in ("left", "right")]
        places = [self._net.place(name, ()) for name in names]
        self.left, self.right = (place.address for place in places)
        self.namespaces = [NAMESPACES / f"{name}.{self._net.name}" for name in names]
        self._listens = socket_in(self.namespaces[1], socket.AF_INET, socket.SOCK_STREAM)
        self._listens.bind((self.right, PORT))
        self._listens.listen()
        self.near = self.connect(within=10)
        self.far, _ = self._listens.accept()
        self.far.settimeout(QUIET)
        self.near.settimeout(QUIET)

    def connect(self, within: float = QUIET) -> socket.socket:
        """The kernel may take a second to carry the first packet of a new link, which is then sent again."""
        near = socket_in(self.namespaces[0], socket.AF_INET, socket.SOCK_STREAM)
        near.settimeout(within)
        near.connect((self.right, PORT))
        return near

    def cut(self, **how: object) -> Cut:
        given = {"name": "dfs_test", "peers": (self.right,), "seconds": 30.0} | how
        return Cut(namespace=self.namespaces[0], **given)  # type: ignore[arg-type]

    def heard(self, said: bytes) -> bytes:
        """What comes of it at the other end in `QUIET` seconds."""
        self.near.sendall(said)
        try:
            return self.far.recv(100)
        except TimeoutError:
            return b""

    def close(self) -> None:
        for each in (self.near, self.far, self._listens):
            each.close()
        self._net.close()


@contextmanager
def two() -> Iterator[Two]:
    made = Two()
    try:
        yield made
    finally:
        made.close()


@in_lab
def test_a_cut_silences_what_is_connected_and_lets_nothing_new_through() -> None:
    with two() as pair:
        assert pair.heard(b"before") == b"before"
        cut = pair.cut()
        cut.inject()
        assert pair.heard(b"while") == b""
        with pytest.raises(TimeoutError):
            pair.connect()
        assert cut.packets() >= 2
        cut.heal()
        assert eventually(lambda: pair.far.recv(100), within=5, describe="what was said is sent again") == b"while"
        pair.connect().close()


@in_lab
@pytest.mark.parametrize("who", ["far", "near"])
@pytest.mark.parametrize("both", [True, False], ids=["both ends", "one end"])
def test_a_reject_is_heard_at_both_ends_whoever_speaks(who: str, both: bool) -> None:
    with two() as pair:
        cuts = [pair.cut(how=Obstruction("reject"))]
        if both:
            cuts.append(Cut(pair.namespaces[1], "dfs_test", (pair.left,), 30.0, Obstruction("reject"), resets=False))
        for cut in cuts:
            cut.inject()
        speaks, listens = (pair.far, pair.near) if who == "far" else (pair.near, pair.far)
        eventually(lambda: _is_reset(speaks, b"on and on"), within=2, describe="whoever speaks is reset")
        eventually(lambda: _is_reset(listens, b"at last"), within=2, describe="who listened is reset when it speaks")
        if both:
            with pytest.raises(ConnectionRefusedError):
                pair.connect()
        for cut in cuts:
            cut.heal()


@in_lab
def test_new_connections_that_go_out_can_be_refused_alone() -> None:
    with two() as pair:
        cut = pair.cut(how=Obstruction("reject", "out"))
        cut.inject()
        with pytest.raises(ConnectionRefusedError):
            pair.connect()
        assert cut.packets() == 1
        assert pair.heard(b"who is connected stays so") == b"who is connected stays so"
        cut.heal()
        pair.connect().close()


def _is_reset(connection: socket.socket, says: bytes) -> bool:
    try:
        connection.sendall(says)
    except (ConnectionResetError, BrokenPipeError):
        return True
    return False


@in_lab
def test_the_kernel_ends_a_cut_at_its_deadline() -> None:
    with two() as pair:
        cut = pair.cut(seconds=0.5)
        begun = time.monotonic()
        cut.inject()
        assert pair.heard(b"late") == b""
        pair.far.settimeout(5)
        assert pair.far.recv(100) == b"late"
        assert 0.5 <= time.monotonic() - begun < 4
        assert cut.there(), "the table stays, without effect, until it is healed"
        cut.heal()
        assert not cut.there()


@in_lab
@pytest.mark.parametrize(
    ("direction", "who", "arrives"),
    [("in", "near", True), ("in", "far", False), ("out", "near", False), ("out", "far", True)],
)
def test_one_direction_is_cut_and_the_other_is_not(direction: Direction, who: str, arrives: bool) -> None:
    with two() as pair:
        datagrams = [
            socket_in(namespace, socket.AF_INET, socket.SOCK_DGRAM)  # of which no answer is needed
            for namespace in pair.namespaces
        ]
        near, far = datagrams
        near.bind((pair.left, PORT))
        far.bind((pair.right, PORT))
        pair.cut(how=Obstruction(direction=direction)).inject()
        speaks, listens, to = (near, far, pair.right) if who == "near" else (far, near, pair.left)
        speaks.sendto(b"word", (to, PORT)) if who == "far" or arrives else _refused(speaks, to)
        listens.settimeout(QUIET)
        if arrives:
            assert listens.recv(100) == b"word"
        else:
            with pytest.raises(TimeoutError):
                listens.recv(100)
        for each in datagrams:
            each.close()


def _refused(speaks: socket.socket, to: str) -> None:
    with pytest.raises(PermissionError):  # the kernel tells who sends from where the rule stands
        speaks.sendto(b"word", (to, PORT))


@in_lab
@pytest.mark.parametrize("how", [Obstruction(loss=30), Obstruction(bytes_per_second=4000)], ids=["loss", "rate"])
def test_some_packets_are_stopped_and_what_is_said_arrives_late(how: Obstruction) -> None:
    with two() as pair:
        cut = pair.cut(how=how)
        cut.inject()
        pair.near.sendall(bytes(5000))
        pair.far.settimeout(20)
        got = 0
        while got < 5000:
            got += len(pair.far.recv(5000))
        assert how.loss == 30 or cut.packets() > 0


@in_lab
def test_a_third_of_many_packets_is_lost() -> None:
    with two() as pair:
        near, far = (socket_in(namespace, socket.AF_INET, socket.SOCK_DGRAM) for namespace in pair.namespaces)
        cut = Cut(pair.namespaces[1], "dfs_test", (pair.left,), 30.0, Obstruction(direction="in", loss=30))
        cut.inject()
        for _ in range(1000):
            near.sendto(b"word", (pair.right, PORT))
        assert 200 < cut.packets() < 400
        near.close()
        far.close()


@contextmanager
def slow_instead_of_late() -> Iterator[None]:
    """No kernel here has netem; another discipline stands in its place, so that all the rest is tried."""
    with mock.patch.object(queues, "LATE", ("tbf", "rate", "100kbit", "burst", "1600", "latency", "{}ms")):
        yield


def seconds_to_carry(says: socket.socket, hears: socket.socket, size: int = 8000) -> float:
    hears.settimeout(20)
    begun, got = time.monotonic(), 0
    says.sendall(bytes(size))
    while got < size:
        got += len(hears.recv(size))
    return time.monotonic() - begun


@in_lab
def test_what_goes_out_to_the_peers_waits_and_nothing_else() -> None:
    with two() as pair, slow_instead_of_late():
        cut = pair.cut(how=Obstruction(latency=2000, direction="out"))
        cut.inject()
        assert queues.there(pair.namespaces[0], cut.name)
        assert seconds_to_carry(pair.near, pair.far) > 0.3
        assert seconds_to_carry(pair.far, pair.near) < 0.3
        assert cut.packets() > 0
        cut.heal()
        assert seconds_to_carry(pair.near, pair.far) < 0.3
        assert (queues.there(pair.namespaces[0], cut.name), cut.there()) == ([], False)
        cut.heal()


@in_lab
def test_nothing_waits_after_the_deadline_whoever_is_dead() -> None:
    with two() as pair, slow_instead_of_late():
        cut = pair.cut(how=Obstruction(latency=2000, direction="out"), seconds=1.0)
        cut.inject()
        eventually(
            lambda: seconds_to_carry(pair.near, pair.far) < 0.3, within=5, describe="what is said is heard at once"
        )
        cut.heal()


@in_lab
def test_a_queue_of_somebody_else_is_left_alone() -> None:
    with two() as pair, slow_instead_of_late():
        theirs = ("tc", "qdisc", "add", "dev", "eth0", "root", "handle", "5:", "pfifo")
        run_in(pair.namespaces[0], *theirs)
        cut = pair.cut(how=Obstruction(latency=100, direction="out"))
        with pytest.raises(KernelRefusal, match=r"tc in left-"):
            cut.inject()
        cut.heal()
        assert "qdisc pfifo 5:" in run_in(pair.namespaces[0], "tc", "qdisc", "show")
        assert not cut.there()


@pytest.mark.parametrize("how", [{"latency": 0}, {"latency": 5}, {"latency": 5, "loss": 3}], ids=str)
def test_a_latency_that_makes_no_sense(how: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"makes no sense|say nothing else with a latency"):
        Obstruction(direction="out" if how["latency"] == 0 else "both", **how)  # type: ignore[arg-type]


@in_lab
def test_healing_twice_and_after_the_namespace_has_gone() -> None:
    with two() as pair:
        cut = pair.cut()
        cut.heal()
        cut.inject()
        cut.heal()
        cut.heal()
    cut.heal()


@in_lab
def test_two_cuts_are_healed_one_by_one() -> None:
    with two() as pair:
        one, other = pair.cut(name="dfs_one"), pair.cut(name="dfs_two", peers=("192.0.2.1", "2001:db8::1"))
        one.inject()
        other.inject()
        one.heal()
        assert (one.there(), other.there()) == (False, True)
        assert pair.heard(b"through") == b"through"


@in_lab
def test_what_the_kernel_refuses_is_said() -> None:
    with two() as pair:
        with pytest.raises(PartitionError, match=r"nft in left-.*: "):
            pair.cut(name="two words").inject()
        with pytest.raises(PartitionError, match=r"nft in left-.*: "):
            pair.cut().packets()


@pytest.mark.parametrize("peers", [(), ("nobody",)])
def test_a_cut_needs_addresses(peers: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"needs at least one peer|does not appear to be"):
        Cut(Path("/nowhere"), "dfs", peers, 1.0).inject()


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"of": "etcd"}, "no parameter 'of'"),
        ({"action": "delay"}, "unknown action of a partition 'delay': choose one of drop, reject"),
        ({"direction": "up"}, "unknown direction of a partition 'up': choose one of both, in, out"),
        ({"loss": "some"}, "loss of the failure 'partition' is 'some': it must be a whole number"),
        ({"loss": "0"}, "a partition cannot be: a loss of 0 percent makes no sense: say 1 to 100"),
        ({"bytes_per_second": "0"}, "a partition cannot be: 0 bytes a second make no sense: say 1 or more"),
        ({"action": "reject", "loss": "30"}, "what is rejected is all of it, in both directions, or new conn"),
        ({"action": "reject", "direction": "in"}, "what is rejected is all of it, in both directions, or new conn"),
    ],
)
def test_a_failure_that_is_no_partition(parameters: dict[str, str], words: str) -> None:
    stage = Stage(deployment=None, plan=None, folder=Path())  # type: ignore[arg-type]  # refused before it is looked at
    with pytest.raises(UsageError, match=words):
        CutOff.of(stage, [None], parameters)  # type: ignore[list-item]
