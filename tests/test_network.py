"""Networks: one namespace per component in the lab, shared loopback elsewhere."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
from hamcrest import assert_that, contains_string, empty, equal_to, has_length

from support.errors import Unavailable
from support.local import lab
from support.local.network import HOSTS, BridgedNetwork, SharedLoopback, network
from support.place import Place
from tests.in_lab import in_lab, lab_process

LISTEN = "import socket; s = socket.create_server(('', 2379)); print('up', flush=True); s.accept()[0].sendall(b'{}')"
ASK = "import socket; print(socket.create_connection(('{}', 2379), timeout=2).recv(9).decode())"


@pytest.fixture(scope="module", autouse=True)
def in_one_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with lab_process(tmp_path_factory.mktemp("lab")):
        yield


@in_lab
def test_each_component_has_an_address_and_a_namespace_of_its_own() -> None:
    net = network()
    assert_that(isinstance(net, BridgedNetwork))
    places = [net.place(name, (2379,)) for name in ("etcd-0", "etcd-1")]
    try:
        assert_that({place.address for place in places}, has_length(2))
        assert_that([place.at(2379) for place in places], equal_to([f"{place.address}:2379" for place in places]))
        inside = [_run(place, "readlink", "/proc/self/ns/net") for place in places]
        assert_that({*inside, lab.network_namespace()}, has_length(3))
        assert_that(_run(places[0], "ip", "-br", "link"), contains_string("lo               UNKNOWN"))
        assert_that(HOSTS.read_text(), contains_string(places[1].address))
    finally:
        net.close()


@in_lab
def test_components_reach_each_other_on_the_same_standard_port() -> None:
    net = network()
    places = [net.place(name, (2379,)) for name in ("etcd-0", "etcd-1")]
    try:
        for place, other, said in ((places[0], places[1], "one"), (places[1], places[0], "two")):
            command = [*place.enter, sys.executable, "-c", LISTEN.format(said)]
            with subprocess.Popen(command, stdout=subprocess.PIPE) as listening:
                assert listening.stdout
                listening.stdout.readline()
                assert_that(_run(other, sys.executable, "-c", ASK.format(place.address)), equal_to(said))
    finally:
        net.close()


@in_lab
def test_two_deployments_stand_side_by_side_and_close_leaves_nothing() -> None:
    one, other = network(), network()
    places = [net.place("frontend-0", (8000,)) for net in (one, other)]
    assert_that({place.address for place in places}, has_length(2))
    assert_that(_namespaces(), has_length(2))
    one.close()
    one.close()
    assert_that(_namespaces(), has_length(1))
    assert_that(_run(places[1], "echo", "still there"), equal_to("still there"))
    other.close()
    assert_that(_namespaces(), empty())
    _expect_no_link_left()


@in_lab
def test_addresses_of_a_closed_network_are_used_again() -> None:
    with patch.object(BridgedNetwork, "_numbers", itertools.cycle([7, 8])):
        one, other = BridgedNetwork(), BridgedNetwork()
        with pytest.raises(Unavailable, match="254 deployments are up"):
            BridgedNetwork()
        one.place("etcd-0", ())
        assert_that(HOSTS.read_text(), contains_string("10.77.7.2 etcd-0.d7"))
        one.close()
        assert "etcd-0.d7" not in HOSTS.read_text()
        again = BridgedNetwork()
        assert_that(again.name, equal_to(one.name))
        again.place("etcd-0", ())
        for each in (other, again):
            each.close()
    _expect_no_link_left()


@in_lab
def test_a_network_without_a_place_leaves_nothing_either() -> None:
    network().close()
    _expect_no_link_left()


@in_lab
def test_the_same_name_twice_is_an_error_that_names_the_command() -> None:
    net = network()
    net.place("nats-0", ())
    with pytest.raises(Unavailable, match=r"'ip netns add nats-0\.\w+' failed: "):
        net.place("nats-0", ())
    net.close()
    assert_that(_namespaces(), empty())


def test_outside_a_lab_components_share_loopback() -> None:
    net = network()
    assert isinstance(net, SharedLoopback)
    one, other = (net.place(name, (2379, 2380)) for name in ("etcd-0", "etcd-1"))
    assert one.address == other.address == "127.0.0.1"
    assert one.enter == ()
    ports = [place.port(standard) for place in (one, other) for standard in (2379, 2380)]
    assert len(set(ports)) == 4
    assert 2379 not in ports
    assert one.at(2380) == f"127.0.0.1:{one.port(2380)}"
    assert one.port(9999) == 9999
    net.close()
    net.close()


def _run(place: Place, *argv: str) -> str:
    return subprocess.run([*place.enter, *argv], capture_output=True, text=True, check=True).stdout.strip()


def _namespaces() -> list[str]:
    return [entry.name for entry in Path("/run/netns").iterdir()]


def _expect_no_link_left() -> None:
    assert_that(_links(), equal_to(["lo"]))


def _links() -> list[str]:
    told = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
    return [line.split(": ")[1] for line in told.splitlines()]
