"""What the local target adds to the start of a deployment: ours beside the same processes started bare.

    python -m tests.benchmarks.deployment_start [--rounds 9] [--workers 2] [--engine counting] [--etcd-members 1]

Ours: `LocalTarget.deployment` until it is ready, namespaces included, then `release` until it is gone.
Bare: the same command lines in namespaces that are there already, each a plain Popen; etcd first, then everything else;
one socket asks the same readiness every 10 ms; then SIGKILL to all and a wait for each.

Both run in turn in one process inside one lab, and who goes first changes from round to round, so that a busy machine
is busy for both. CPU is the kernel's account of a round, start to gone: children and, for ours, the threads that keep
and ask them.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from support.commands import HTTP, PORTS, UP, Surroundings, command
from support.kept_deployment import names
from support.local import installed, lab
from support.local.deployment import _environment
from support.local.network import BridgedNetwork
from support.local.target import LocalTarget
from support.model import MODEL_NAME, write_model
from support.place import Place
from support.settings import Settings
from support.setup.programs import add_system_programs_to_path
from support.spec import ENGINES, DeploymentSpec, Role
from support.waiting import eventually

PROMISED = 1.15
"""Ours may take this many times the bare start, in wall time."""
LOOK = 0.01
WITHIN = 60.0


@dataclass(frozen=True)
class Cost:
    """Of one round, in seconds."""

    start: float
    teardown: float
    cpu: float


Round = Callable[[], Cost]


def main() -> None:
    options = _options()
    add_system_programs_to_path()
    if not lab.inside():
        lab.enter([sys.executable, *sys.orig_argv[1:]])
    print(
        f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, {options.workers} workers, {options.engine} engine,"
        f" {options.etcd_members} etcd members"
    )
    spec = DeploymentSpec(workers=options.workers, engine=options.engine, etcd_members=options.etcd_members)
    costs: dict[str, list[Cost]] = {"ours": [], "bare": []}
    with tempfile.TemporaryDirectory(prefix="start-") as folder, ours(spec, Path(folder) / "ours") as our_round:
        rounds: dict[str, Round] = {"ours": our_round, "bare": Bare(spec, Path(folder) / "bare").round}
        for number in range(options.rounds):
            for name in sorted(rounds, reverse=bool(number % 2)):
                costs[name].append(rounds[name]())
            print(f"round {number + 1}:", ", ".join(f"{name} {seen[-1].start:.2f} s" for name, seen in costs.items()))
    report(costs)


def report(costs: Mapping[str, list[Cost]]) -> None:
    print(f"\n{'seconds, medians (least-most)':32} {'ours':>20} {'bare':>20} {'ours/bare':>10}")
    for what, of in _FIGURES.items():
        seen = {name: [of(cost) for cost in each] for name, each in costs.items()}
        print(f"{what:32} {_spread(seen['ours']):>20} {_spread(seen['bare']):>20} {_ratio(costs, of):9.2f}x")
    held = "holds" if _ratio(costs, lambda cost: cost.start) <= PROMISED else "is BROKEN"
    print(f"\nratios are medians of the rounds' own; the promise of at most {PROMISED}x for the start {held}")


def _ratio(costs: Mapping[str, list[Cost]], of: Callable[[Cost], float]) -> float:
    """Of the two that ran next to each other, so that what else the machine did counts little; the median."""
    return statistics.median(of(ours) / of(bare) for ours, bare in zip(costs["ours"], costs["bare"], strict=True))


_FIGURES: dict[str, Callable[[Cost], float]] = {
    "start until ready": lambda cost: cost.start,
    "ready until gone": lambda cost: cost.teardown,
    "start until gone": lambda cost: cost.start + cost.teardown,
    "CPU of both": lambda cost: cost.cpu,
}


@contextmanager
def ours(spec: DeploymentSpec, logs: Path) -> Iterator[Round]:
    """A round of the local target, which never reuses a deployment."""
    target = LocalTarget(Settings(fresh=True), logs=logs)

    def one() -> Cost:
        before, begun = _cpu(), time.monotonic()
        deployment = target.deployment(spec)
        ready = time.monotonic()
        target.release(deployment)
        gone = time.monotonic()
        assert not any(one.running for one in deployment.components.values()), "something still runs"
        return Cost(start=ready - begun, teardown=gone - ready, cpu=_cpu() - before)

    try:
        yield one
    finally:
        target.close()


class Bare:
    """The same commands, started by hand."""

    def __init__(self, spec: DeploymentSpec, folder: Path) -> None:
        self._spec = spec
        self._folder = folder
        self._roles = names(spec)
        self._model = write_model(folder / "model")
        self._rounds = 0

    def round(self) -> Cost:
        self._rounds += 1
        folder = self._folder / str(self._rounds)
        folder.mkdir()
        network = BridgedNetwork()
        try:
            places = {name: network.place(name, PORTS[role]) for name, role in self._roles.items()}
            return self._measured(self._around(places, folder), folder)
        finally:
            network.close()

    def _around(self, places: dict[str, Place], folder: Path) -> Surroundings:
        return Surroundings(
            spec=self._spec,
            places=places,
            model=self._model,
            data=folder,
            programs=installed.programs(),
        )

    def _measured(self, around: Surroundings, folder: Path) -> Cost:
        before, begun = _cpu(), time.monotonic()
        processes: list[subprocess.Popen[bytes]] = []
        try:
            self._start(around, folder, processes)
            ready = time.monotonic()
            assert all(process.poll() is None for process in processes), "a process ended"
        finally:
            for process in processes:
                process.kill()
            for process in processes:
                process.wait()
        return Cost(start=ready - begun, teardown=time.monotonic() - ready, cpu=_cpu() - before)

    def _start(self, around: Surroundings, folder: Path, processes: list[subprocess.Popen[bytes]]) -> None:
        """etcd first, as anybody does: who finds none waits a second before asking again."""
        up = {name: functools.partial(_answers, around.places[name], *UP[role]) for name, role in self._roles.items()}
        first = [name for name, role in self._roles.items() if role in ("etcd", "nats")]
        then = [name for name in self._roles if name not in first]
        for group in (first, then):
            processes += [_popen(name, self._roles[name], around, folder) for name in group]
            for name in group:
                eventually(up[name], within=WITHIN, describe=f"{name} is up", interval=LOOK)
        frontend, workers = around.places["frontend-0"], self._spec.workers
        eventually(
            lambda: _serves(frontend, workers), within=WITHIN, describe=f"{workers} workers are listed", interval=LOOK
        )


def _popen(name: str, role: Role, around: Surroundings, folder: Path) -> subprocess.Popen[bytes]:
    told = command(name, role, around)
    with (folder / f"{name}.log").open("ab") as log:
        return subprocess.Popen(
            [*around.places[name].enter, *told.argv],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=_environment(folder) | told.environment,
            cwd=folder,
        )


def _serves(frontend: Place, workers: int) -> bool:
    listed = json.loads(_get(frontend, HTTP, "/health") or b"{}").get("instances", [])
    if sum(one["endpoint"] == "generate" for one in listed) != workers:
        return False
    return MODEL_NAME.encode() in _get(frontend, HTTP, "/v1/models")


def _answers(place: Place, port: int, path: str) -> bool:
    return bool(_get(place, port, path))


def _get(place: Place, port: int, path: str) -> bytes:
    """The body of a 200; empty when there is none. As cheap as a question can be: one socket, no client."""
    with suppress(OSError), socket.create_connection((place.address, place.port(port)), timeout=2) as connection:
        connection.sendall(f"GET {path} HTTP/1.0\r\nhost: {place.address}\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
        head, _, body = answer.partition(b"\r\n\r\n")
        if head.split(b" ", 2)[1] == b"200":
            return body
    return b""


def _cpu() -> float:
    """Seconds of user and system time of this process and of its children that have ended."""
    accounts = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(account.ru_utime + account.ru_stime for account in accounts)


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f})"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"{Path(sys.executable).name} -m tests.benchmarks.deployment_start")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--engine", choices=[engine for engine in ENGINES if engine != "real"], default="counting")
    parser.add_argument("--etcd-members", type=int, choices=[1, 3, 5], default=1)
    options = parser.parse_args()
    if options.workers < 1:
        parser.error("--workers: one at least, since both sides wait until the model is served")
    return options


if __name__ == "__main__":
    main()
