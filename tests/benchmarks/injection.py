"""What the injection service costs: from a POST to its effect, and after many faults.

    python -m tests.benchmarks.injection [--rounds 100] [--cycles 1000]

In a lab, with service and agent as programs. To effect: from before the request is sent until somebody who only looks
sees it: a process that is stopped, datagrams (one each millisecond) that do not arrive, a record in the log (a file
here). Recovery: the same, until it is seen gone.

Cycles: inject and recover in turn, a pause and a partition; before and after, the agent's memory, files and threads,
and what is in the kernel, are counted.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from injector.agents.processes import STOPPED
from injector.agents.sockets import socket_in
from support.local import lab
from support.vitals import vitals
from tests.injected import PORT, Ground, ground
from tests.injection_programs import Programs, programs

PROMISED = 0.050
"""Seconds to effect, 99th percentile."""
WITHIN = 10.0
QUIET = 0.005
"""Seconds without a datagram, of which one is sent each millisecond."""

Seen = Callable[[], bool]


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("--rounds", type=int, default=100)
    given.add_argument("--cycles", type=int, default=1000)
    asked = given.parse_args()
    if not lab.inside():
        lab.enter([sys.executable, "-m", "tests.benchmarks.injection", *sys.argv[1:]])
    with ground() as around, programs(around) as running:
        _to_effect(around, running, asked.rounds)
        _cycles(around, running, asked.cycles)
    around.close()


def _to_effect(around: Ground, running: Programs, rounds: int) -> None:
    pair = Datagrams(around)
    pause = {"target_pod": "vllm-worker-0", "fault_type": "PAUSE"}
    (process,) = around.pods["vllm-worker-0"].processes()
    sorts: list[tuple[str, str, dict[str, Any], Seen]] = [
        ("stopped", "/process/inject", pause, lambda: STOPPED in process.states()),
        ("silent", "/network/inject", {"partition_type": "FRONTEND_WORKER"}, pair.silent),
        ("record", "/gpu/inject/xid-79", {"target_pod": "vllm-worker-0"}, lambda: len(around.log.after()) % 2 == 1),
    ]
    for name, path, body, seen in sorts:
        there, gone = [], []
        for _ in range(rounds):
            identity, seconds = _timed(lambda p=path, b=body: running.post(p, b).json()["id"], seen)  # type: ignore[misc]
            there.append(seconds)
            _, seconds = _timed(lambda i=identity: running.post(f"/{i}/recover"), lambda s=seen: not s())  # type: ignore[misc]
            gone.append(seconds)
        for what, times in (("there", there), ("gone", gone)):
            p50, p99 = np.percentile(times, [50, 99]) * 1000
            kept = "" if p99 <= PROMISED * 1000 else f"  more than the {PROMISED * 1000:g} that are promised"
            print(f"{name:<8} {what:<6} p50 {p50:6.1f} ms  p99 {p99:6.1f} ms{kept}", flush=True)
    pair.close()


def _timed(deed: Callable[[], Any], seen: Seen) -> tuple[Any, float]:
    """What it answers, and the seconds until it was seen."""
    answers: list[Any] = []
    doing = threading.Thread(target=lambda: answers.append(deed()))
    begun = time.perf_counter()
    doing.start()
    while not seen():
        if time.perf_counter() - begun > WITHIN:
            raise TimeoutError(f"not seen within {WITHIN:g} s")
        os.sched_yield()
    seconds = time.perf_counter() - begun
    doing.join()
    return answers[0], seconds


class Datagrams:
    """One each millisecond from the frontend to the worker, and when the last one came."""

    def __init__(self, around: Ground) -> None:
        self._to = (around.pods["vllm-worker-0"].place.address, PORT)
        self._goes = socket_in(around.pods["frontend-0"].namespace, socket.AF_INET, socket.SOCK_DGRAM)
        self._comes = socket_in(around.pods["vllm-worker-0"].namespace, socket.AF_INET, socket.SOCK_DGRAM)
        self._comes.bind(self._to)
        self._last = time.perf_counter()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=each) for each in (self._send, self._receive)]
        for thread in self._threads:
            thread.start()

    def silent(self) -> bool:
        return time.perf_counter() - self._last > QUIET

    def close(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        self._goes.close()
        self._comes.close()

    def _send(self) -> None:
        while not self._over.wait(0.001):
            try:
                self._goes.sendto(b"word", self._to)
            except PermissionError:
                continue  # the kernel tells who sends of what it stops

    def _receive(self) -> None:
        self._comes.settimeout(0.1)
        while not self._over.is_set():
            try:
                self._comes.recv(10)
                self._last = time.perf_counter()
            except TimeoutError:
                continue


def _cycles(around: Ground, running: Programs, cycles: int) -> None:
    asked = [
        ("/process/inject", {"target_pod": "vllm-worker-0", "fault_type": "PAUSE"}),
        ("/network/inject", {"partition_type": "FRONTEND_WORKER"}),
    ]
    pid = running.agent.pid
    for number in range(cycles + 1):
        if number in (cycles // 10, cycles):
            told = vitals(pid)
            print(f"after {number} cycles: {told}; in the kernel: {around.kernel_traces() or 'nothing'}", flush=True)
        path, body = asked[number % 2]
        made = running.post(path, body).json()
        running.post(f"/{made['id']}/recover").raise_for_status()


if __name__ == "__main__":
    main()
