"""GPU faults on a GPU: done by NVIDIA's driver to the GPU that a pod's processes compute on.

    fault             what is done                                        LOW      MEDIUM    HIGH
    THROTTLE          its clock is locked, to a share of the highest      75 %     50 %      25 %
    MEMORY_PRESSURE   its memory is held, until so much is left           1 GiB    256 MiB   16 MiB
    COMPUTE_OVERLOAD  so many others compute on it                        1        2         4

OVERHEAT is refused: a temperature cannot be raised safely. Where a pod's processes are on no GPU, `injector.agents.
stress` does to them what a strained GPU would.

The driver tells nobody whether a clock was locked before; recovering lets it go as fast as it likes.
"""

from __future__ import annotations

from typing import Any

from injector.agents import keepers
from injector.agents.family import Family, NoEffect, StillThere, Work
from injector.agents.gpus import Gpus
from injector.agents.nvml import Gpu, NvmlError
from injector.agents.plans import Does, Strain
from injector.agents.process_faults import KeptFamily, hold, keeper_lost, plan_of, victims_of
from injector.agents.processes import marked
from injector.agents.stress import HEADROOM, severity_of
from injector.agents.waiting import awaited
from injector.errors import Conflict, Unable
from injector.fault import Order
from injector.inventory import Node
from injector.words import GpuFault, Kind, Severity

CLOCKS = {Severity.LOW: 0.75, Severity.MEDIUM: 0.5, Severity.HIGH: 0.25}
"""Shares of a GPU's highest clock."""
OTHERS = {Severity.LOW: 1, Severity.MEDIUM: 2, Severity.HIGH: 4}
_SEEN_WITHIN = 5.0
_STEP = 30
"""MHz, at most, between two clocks that a GPU can have, and so between what was asked for and what it has."""
_OWN = 512 << 20
"""Bytes, at most, that the driver takes for itself beside what a process asks for."""
_BUSY = 95
"""Percent."""


class GpuFamily(KeptFamily):
    """Done to a GPU, and only where there is one."""

    fault: GpuFault
    does: Does

    def __init__(self, node: Node, gpus: Gpus) -> None:
        super().__init__(node)
        self._gpus = gpus

    def answers(self, order: Order) -> bool:
        return order.kind == Kind.GPU and order.fault_type == self.fault and self._gpus.meant(order) is not None

    def available(self, order: Order) -> str | None:
        severity_of(order)
        return None

    def claims(self, order: Order) -> frozenset[str]:
        return frozenset({f"{self.name} of {self._insisted(order).uuid}"})

    def plan(self, order: Order) -> dict[str, Any]:
        gpu, leaders = self._insisted(order), keepers.leaders(victims_of(self._node, order))
        amount = self.amount(gpu, severity_of(order))
        strain: Strain = {"gpu": gpu.uuid, "address": gpu.address, "does": self.does, "amount": amount}
        return {"plan": keepers.holds(leaders, strain=strain)}

    def amount(self, gpu: Gpu, severity: Severity) -> int:
        """How much of what is done to it, as a `Strain` has it."""
        raise NotImplementedError

    def inject(self, work: Work) -> None:
        hold(work)

    def verify(self, work: Work) -> str:
        raise NotImplementedError

    def gone(self, work: Work) -> str:
        if keepers.alive(work.mark):
            raise StillThere("its keeper is still there")
        return "its keeper has gone, and what it held with it"

    def lost(self, work: Work) -> str | None:
        return keeper_lost(work)

    def _insisted(self, order: Order) -> Gpu:
        found = self._gpus.meant(order)
        if found is None:
            raise Conflict(f"{order.pods[0]} computes on no GPU now: wait until it does")
        return found

    def gpu_of(self, work: Work) -> Gpu:
        """That it is done to."""
        return self._gpus.gpu(_strain(work)["gpu"])


class Throttled(GpuFamily):
    """Its clock is locked below its highest."""

    name = "clock"
    fault = GpuFault.THROTTLE
    does = "clock"

    def amount(self, gpu: Gpu, severity: Severity) -> int:
        return round(gpu.highest_clock * CLOCKS[severity])

    def inject(self, work: Work) -> None:
        hold(work)
        try:
            self.gpu_of(work).lock_clock(_amount(work))
        except NvmlError as refusal:
            if refusal.never:
                raise Unable(str(refusal)) from refusal
            raise
        work.step("locked")

    def verify(self, work: Work) -> str:
        gpu = self.gpu_of(work)
        if missing := awaited(lambda: _off(gpu, _amount(work)), within=_SEEN_WITHIN):
            raise NoEffect(missing)
        return f"the clock of {gpu.uuid} is {gpu.clock} MHz, of {gpu.highest_clock}"

    def gone(self, work: Work) -> str:
        """A GPU without a lock runs as fast as it has work: an idle one slower, a busy one faster than the lock."""
        gpu = self.gpu_of(work)

        def locked() -> str | None:
            return None if _off(gpu, _amount(work)) else f"the clock of {gpu.uuid} is still {gpu.clock} MHz"

        if still := awaited(locked, within=_SEEN_WITHIN):
            raise StillThere(still)
        return f"the clock of {gpu.uuid} is {gpu.clock} MHz"

    def lost(self, work: Work) -> str | None:
        return keeper_lost(work) or awaited(lambda: _off(self.gpu_of(work), _amount(work)), within=1.0)


class Filled(GpuFamily):
    """Its memory is held by the fault's keeper."""

    name = "gpu memory"
    fault = GpuFault.MEMORY_PRESSURE
    does = "memory"

    def amount(self, gpu: Gpu, severity: Severity) -> int:
        return HEADROOM[severity]

    def verify(self, work: Work) -> str:
        gpu = self.gpu_of(work)
        held = sum(gpu.users().get(one.pid, 0) for one in marked(work.mark))
        if not held or gpu.free > _amount(work) + _OWN:
            raise NoEffect(f"{gpu.free >> 20} MiB of {gpu.uuid} are free, and the fault holds {held >> 20} MiB")
        return f"the fault holds {held >> 20} MiB of {gpu.uuid}, and {gpu.free >> 20} MiB are free"


class Overloaded(GpuFamily):
    """Others compute on it: the fault's keeper, in contexts of their own, among which the driver shares its time."""

    name = "gpu time"
    fault = GpuFault.COMPUTE_OVERLOAD
    does = "burn"

    def amount(self, gpu: Gpu, severity: Severity) -> int:
        return OTHERS[severity]

    def verify(self, work: Work) -> str:
        gpu = self.gpu_of(work)

        def lacking() -> str | None:
            computes = any(one.pid in gpu.users() for one in marked(work.mark))
            if computes and gpu.utilization >= _BUSY:
                return None
            return f"{gpu.uuid} is busy {gpu.utilization}% of the time; the fault computes there: {computes}"

        if missing := awaited(lacking, within=_SEEN_WITHIN):
            raise NoEffect(missing)
        return f"{_amount(work)} others compute on {gpu.uuid}, which is busy {gpu.utilization}% of the time"


class Overheated(GpuFamily):
    """Not done."""

    name = "heat"
    fault = GpuFault.OVERHEAT

    def available(self, order: Order) -> str | None:
        severity_of(order)
        return "the temperature of a real GPU cannot be raised safely: THROTTLE does to its worker what heat would"


def families(node: Node, gpus: Gpus) -> list[Family]:
    """All of them; each answers only for pods that are on a GPU."""
    return [Throttled(node, gpus), Filled(node, gpus), Overloaded(node, gpus), Overheated(node, gpus)]


def _amount(work: Work) -> int:
    return _strain(work)["amount"]


def _strain(work: Work) -> Strain:
    strain = plan_of(work)["strain"]
    assert strain, "it was planned by this family"
    return strain


def _off(gpu: Gpu, megahertz: int) -> str | None:
    """Why its clock is not the one that it is locked to; None when it is."""
    now = gpu.clock
    return None if abs(now - megahertz) <= _STEP else f"the clock of {gpu.uuid} is {now} MHz, not {megahertz}"
