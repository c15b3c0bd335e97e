"""Simulated strain of a GPU: what severity means, as somebody sees it who only looks at the worker."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from injector.agents.agent import Agent
from injector.agents.sockets import socket_in
from injector.agents.stress import CYCLES, MIB
from injector.life import State
from injector.words import GpuFault, Kind, Severity
from tests.in_lab import in_lab, lab_process
from tests.injected import PORT, Ground, ground, order_of

WATCHED = 1.5
"""Seconds."""


@pytest.fixture(scope="module", autouse=True)
def in_one_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with lab_process(tmp_path_factory.mktemp("lab")):
        yield


@contextmanager
def strained(around: Ground, fault: GpuFault, severity: Severity) -> Iterator[None]:
    agent = Agent(around.folder / f"agent-{severity}", around.families())
    agent.start()
    try:
        order = order_of(Kind.GPU, fault, "vllm-worker-0", severity=severity)
        assert agent.inject(order).simulated
        yield
        assert agent.recover(order.id).state is State.RECOVERED
    finally:
        agent.close()


def frozen_share(around: Ground) -> float:
    """Of the looks at the worker within a time, those at which it was frozen."""
    (process,) = around.pods["vllm-worker-0"].processes()
    looks = frozen = 0
    until = time.monotonic() + WATCHED
    while time.monotonic() < until:
        looks += 1
        frozen += "T" in process.states()
    return frozen / looks


@in_lab
@pytest.mark.parametrize("fault", list(CYCLES))
def test_the_more_severe_the_longer_it_is_frozen(fault: GpuFault) -> None:
    with ground() as around:
        assert frozen_share(around) == 0
        shares = []
        for severity in (Severity.LOW, Severity.HIGH):
            with strained(around, fault, severity):
                shares.append(frozen_share(around))
        assert 0 < shares[0] < shares[1] < 1, shares
        assert frozen_share(around) == 0
        assert around.traces() == []


def gets(around: Ground, bytes_more: int) -> bool:
    """The worker can have so much more memory."""
    pod = around.pods["vllm-worker-0"]
    with socket_in(around.pods["frontend-0"].namespace, socket.AF_INET, socket.SOCK_STREAM) as asks:
        asks.settimeout(10)
        asks.connect((pod.place.address, PORT))
        asks.sendall(str(bytes_more).encode())
        return asks.recv(10) == b""


@in_lab
@pytest.mark.parametrize(("severity", "has", "lacks"), [("MEDIUM", 100 * MIB, 400 * MIB), ("HIGH", 1 * MIB, 100 * MIB)])
def test_a_worker_under_pressure_is_refused_memory(severity: str, has: int, lacks: int) -> None:
    with ground() as around:
        assert gets(around, lacks)
        with strained(around, GpuFault.MEMORY_PRESSURE, Severity(severity)):
            assert gets(around, has)
            assert not gets(around, lacks)
        assert gets(around, lacks)
