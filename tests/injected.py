"""What the tests of the injection service do harm to: pods of a lab, with namespaces and processes of their own."""

from __future__ import annotations

import functools
import itertools
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from injector.agents import gpu
from injector.agents.family import Family
from injector.agents.gpus import Gpus
from injector.agents.kernel_log import KernelLog, Record
from injector.agents.network import Partition
from injector.agents.partition import tables
from injector.agents.process_faults import Kill, Pause
from injector.agents.processes import Process, leaders_in, marked, members
from injector.agents.stress import Slowed, Squeezed
from injector.agents.xid import XidError
from injector.fault import Order
from injector.inventory import LocalInventory, Node
from injector.words import GpuFault, Kind
from support.local.network import NAMESPACES, BridgedNetwork
from support.place import Place
from support.waiting import eventually
from tests.in_lab import at_end

PORT = 9000
ROLES = {"frontend-0": "frontend", "nats-0": "nats", "vllm-worker-0": "worker", "vllm-worker-1": "worker"}
_VICTIM = f"""
import socket, threading
listens = socket.create_server(("", {PORT}), backlog=100)
threading.Thread(target=threading.Event().wait, daemon=True).start()
while True:
    with listens.accept()[0] as asked:
        wanted = asked.recv(20)
        try:
            wanted and bytearray(int(wanted))
        except MemoryError:
            asked.sendall(b"refused")
"""
_numbers = itertools.count()


class FakeKernelLog(KernelLog):
    """A file instead of the machine's log: a line is a record, and its place in the file its number."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def unavailable(self) -> str | None:
        return None

    def write(self, text: str) -> None:
        with self._file.open("a") as log:
            log.write(f"{text}\n")

    def after(self, number: int = -1) -> list[Record]:
        lines = self._file.read_text().splitlines() if self._file.exists() else []
        return [Record(place, line) for place, line in enumerate(lines) if place > number]


def all_families(node: Node, log: KernelLog) -> list[Family]:
    """As the agent has them, with this log."""
    gpus = Gpus(node)
    return [
        Partition(node),
        Kill(node),
        Pause(node),
        XidError(node, log, gpus),
        *gpu.families(node, gpus),
        Slowed(node),
        Squeezed(node),
    ]


class Victim:
    """One pod: a namespace, and a process that accepts connections."""

    def __init__(self, name: str, place: Place, namespace: Path) -> None:
        self.name, self.place, self.namespace = name, place, namespace
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Unless it runs, as whoever keeps a pod does."""
        if self.process is None or self.process.poll() is not None:
            command = [*self.place.enter, sys.executable, "-S", "-c", _VICTIM]
            self.process = subprocess.Popen(command, start_new_session=True)

    def processes(self) -> list[Process]:
        return [each for leader in leaders_in(self.namespace) for each in members(leader)]

    def listens(self) -> bool:
        assert self.process
        tables = [Path(f"/proc/{self.process.pid}/net/{table}").read_text() for table in ("tcp", "tcp6")]
        return any(f":{PORT:04X} " in table for table in tables)

    def end(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()


class Ground:
    """A small deployment: a frontend, NATS and two workers, each a pod with one process, and their registry."""

    def __init__(self, roles: dict[str, str] = ROLES) -> None:
        self.roles = roles
        self._net = BridgedNetwork()
        self.pods: dict[str, Victim] = {}
        for name in roles:
            place = self._net.place(name, ())
            self.pods[name] = Victim(name, place, NAMESPACES / f"{name}.{self._net.name}")
        self.renew()

    def renew(self) -> None:
        """As new: every pod runs, nothing is protected, and there is an empty folder."""
        self.renew_pods()
        assert self.kernel_traces() == [], "an earlier test left something"
        self.folder = Path(tempfile.mkdtemp())
        self.log = FakeKernelLog(self.folder / "kmsg")
        self.registry = self.folder / "registry.json"
        self.protected: dict[str, str] = {}
        self.faults_allowed = True
        self.write()
        self.inventory = LocalInventory(self.registry)

    def renew_pods(self) -> None:
        for pod in self.pods.values():
            pod.start()
        for pod in self.pods.values():
            eventually(pod.listens, within=20, describe=f"{pod.name} listens")

    def write(self) -> None:
        """The registry, as the deployment's keeper does."""
        components = [
            {
                "name": name,
                "role": self.roles[name],
                "address": pod.place.address,
                "namespace": str(pod.namespace),
                "port": PORT,
                "protected": self.protected.get(name),
            }
            for name, pod in self.pods.items()
        ]
        told = {"version": 1, "faults_allowed": self.faults_allowed, "components": components}
        self.registry.write_text(json.dumps(told))

    def families(self) -> list[Family]:
        return all_families(self.inventory, self.log)

    def partition(self, one: str = "frontend-0", other: str = "vllm-worker-0", **how: Any) -> dict[str, Any]:
        """Parameters of a cut at both ends."""

        def end(here: str, there: str, *, resets: bool) -> dict[str, Any]:
            peers = [{"address": self.pods[there].place.address, "port": PORT}]
            return {"pod": here, "peers": peers, "resets": resets}

        return {"ends": [end(one, other, resets=True), end(other, one, resets=False)]} | how

    def traces(self) -> list[str]:
        """All that faults have left, or have not taken back."""
        unanswered = len(self.log.after()) % 2
        return [*self.kernel_traces(), *(["an XID without its 154"] if unanswered else [])]

    def kernel_traces(self) -> list[str]:
        found = [f"keeper {one.pid}" for one in marked("dfi_", begins=True)]
        for pod in self.pods.values():
            found += [f"table {table} at {pod.name}" for table in tables(pod.namespace) if table.startswith("dfi_")]
            for one in pod.processes():
                found += [f"{pod.name} is stopped"] if "T" in one.states() else []
                found += [f"{pod.name} is limited"] if one.memory_limit() >= 0 else []
        return found

    def close(self) -> None:
        for pod in self.pods.values():
            pod.end()
        self._net.close()


@functools.cache
def _shared() -> Ground:
    made = Ground()
    at_end(made.close)
    return made


@contextmanager
def ground() -> Iterator[Ground]:
    """The one of this lab, as new."""
    made = _shared()
    made.renew()
    yield made


@contextmanager
def new_ground(workers: int = 2) -> Iterator[Ground]:
    """One of its own, for who takes namespaces away or needs many workers."""
    made = Ground({"frontend-0": "frontend", "nats-0": "nats"} | {f"vllm-worker-{n}": "worker" for n in range(workers)})
    try:
        yield made
    finally:
        made.close()


def order_of(kind: Kind, fault_type: str, *pods: str, seconds: float = 30.0, **parameters: Any) -> Order:
    """An order with an id of its own."""
    name = f"test-{next(_numbers)}"
    return Order(id=name, kind=kind, fault_type=fault_type, pods=pods, seconds=seconds, parameters=parameters)


NAMES = (
    "drop",
    "reject",
    "loss",
    "pause",
    "kill",
    "xid line",
    "xid dies",
    "xid hangs",
    "throttle",
    "overload",
    "memory",
)


def every_order(ground: Ground, *, seconds: float = 30.0, worker: str = "vllm-worker-0") -> dict[str, Order]:
    """One of every family, and of every way that a family goes, by what the tests call it."""
    between = ("frontend-0", worker)
    gpu = Kind.GPU

    def cut(**how: Any) -> Order:
        return order_of(Kind.NETWORK, "FRONTEND_WORKER", *between, **ground.partition(other=worker, **how))

    made = {
        "drop": order_of(Kind.NETWORK, "FRONTEND_WORKER", *between, **ground.partition(other=worker)),
        "reject": order_of(
            Kind.NETWORK, "FRONTEND_WORKER", *between, **ground.partition(other=worker, action="REJECT")
        ),
        "loss": order_of(Kind.NETWORK, "FRONTEND_WORKER", *between, **ground.partition(other=worker, loss_percent=30)),
        "pause": order_of(Kind.PROCESS, "PAUSE", worker),
        "kill": order_of(Kind.PROCESS, "KILL", worker),
        "xid line": order_of(gpu, GpuFault.XID_ERROR, worker, xid=79),
        "xid dies": order_of(gpu, GpuFault.XID_ERROR, worker, xid=79, effect="application"),
        "xid hangs": order_of(gpu, GpuFault.XID_ERROR, worker, xid=119, effect="application"),
        "throttle": order_of(gpu, GpuFault.THROTTLE, worker, severity="HIGH"),
        "overload": order_of(gpu, GpuFault.COMPUTE_OVERLOAD, worker, severity="LOW"),
        "memory": order_of(gpu, GpuFault.MEMORY_PRESSURE, worker, severity="LOW"),
    }
    return {name: order.model_copy(update={"seconds": seconds}) for name, order in made.items()}
