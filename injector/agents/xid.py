"""XID errors: the line that NVIDIA's driver writes for one, in the kernel's log, where monitors look for it.

journald takes a first word that ends in a colon off what a program writes there, and NVSentinel, which reads the
journal, needs "NVRM: Xid (PCI:": so the line begins with "kernel: ", as the journal shows the driver's own.

The line alone is all that happens, as in the testing guide; with the effect APPLICATION the worker also suffers what
that code does to an application: it dies, or (119, 120) it hangs until the fault is taken back.

Recovery writes XID 154 for the same GPU, which says that no action is needed any more. The line itself stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from zlib import crc32

from injector.agents import keeper, keepers
from injector.agents.family import NoEffect, StillThere, Work
from injector.agents.gpus import Gpus
from injector.agents.kernel_log import LONGEST, KernelLog
from injector.agents.process_faults import (
    KeptFamily,
    hold,
    keeper_lost,
    kill_all,
    let_go,
    plan_of,
    refuse_parameters,
    running_of,
    runs_again,
    seen_killed,
    seen_running,
    seen_stopped,
    stop_all,
    victims_of,
)
from injector.agents.waiting import awaited
from injector.errors import Invalid
from injector.fault import Order
from injector.inventory import Node
from injector.words import XIDS, Effect, GpuFault, Kind

TEXTS = {
    43: "Ch 00000008, engmask 00000101, intr 00000000",
    48: "DBE (double bit error) ECC Error at 0x00000000 0x00000000 0x00000000",
    74: "NVLink: fatal error detected on link 14(0x0, 0x0, 0x10000, 0x0, 0x0, 0x0, 0x0)",
    79: "GPU has fallen off the bus.",
    94: "Contained: CE User Channel (0x9). RST: No, D-RST: No",
    95: "Uncontained: LTC TAG (0x2, 0x1). RST: Yes, D-RST: No",
    119: "Timeout after 6s of waiting for RPC response from GPU{gpu} GSP! Expected function 76 (GSP_RM_CONTROL)"
    " (0x20802a02 0x8).",
    120: "GSP task exception: Timeout (0x0) @ pc:0x0, task: 1",
}
"""What follows process and name, after lines of real drivers."""
_OVER = "GPU recovery action changed from 0x1 (GPU Reset Required) to 0x0 (None)"
_HANGS = (119, 120)
GPUS = 16
_READ_BACK_WITHIN = 2.0


def simulated_address(pod: str, gpu: int) -> str:
    """PCI address of a pod's GPU that is not there: no machine has that domain, and each pod a bus of its own."""
    return f"fa17:{crc32(pod.encode()) % 256:02x}:{gpu:02x}"


def line(xid: int, address: str, text: str, *, pid: int | None = None, name: str = "python3") -> str:
    """As a driver writes it, without a line break."""
    who = "" if pid is None else f"pid={pid}, name={name}, "
    return f"kernel: NVRM: Xid (PCI:{address}): {xid}, {who}{text}"


@dataclass(frozen=True)
class _Asked:
    xid: int
    gpu: int
    effect: Effect
    message: str
    process_name: str


class XidError(KeptFamily):
    """A line of the kernel's log, and on request what it stands for."""

    name = "xid"
    simulated = True

    def __init__(self, node: Node, log: KernelLog | None = None, gpus: Gpus | None = None) -> None:
        super().__init__(node)
        self._log = log or KernelLog()
        self._gpus = gpus or Gpus(node)

    def answers(self, order: Order) -> bool:
        return order.kind == Kind.GPU and order.fault_type == GpuFault.XID_ERROR

    def available(self, order: Order) -> str | None:
        _asked(order)
        return self._log.unavailable()

    def claims(self, order: Order) -> frozenset[str]:
        asked = _asked(order)
        hangs = asked.effect is Effect.APPLICATION and asked.xid in _HANGS
        return frozenset({f"GPU at {self._address(order, asked)}"}) | (running_of(order) if hangs else frozenset())

    def plan(self, order: Order) -> dict[str, Any]:
        asked = _asked(order)
        leaders = keepers.leaders(victims_of(self._node, order))
        hangs = asked.effect is Effect.APPLICATION and asked.xid in _HANGS
        plan = keepers.holds(leaders, frozen=hangs)
        address = self._address(order, asked)
        dies = asked.effect is Effect.APPLICATION and not hangs
        return {
            "plan": plan,
            "processes": [(one.pid, one.start) for one in keeper.of(plan)],
            "does": "hangs" if hangs else "dies" if dies else "goes on",
            "line": line(asked.xid, address, asked.message, pid=leaders[0][0], name=asked.process_name),
            "over": line(154, address, _OVER),
            "after": self._log.last(),
        }

    def irreversible(self, order: Order) -> str | None:
        asked = _asked(order)
        dies = asked.effect is Effect.APPLICATION and asked.xid not in _HANGS
        killed = "; the worker's process is killed, and whoever keeps the pod starts another one" if dies else ""
        return f"a line of the kernel's log stays, and monitors may act on it{killed}"

    def inject(self, work: Work) -> None:
        self._log.write(work.undo["line"])
        work.step("written")
        if work.undo["does"] == "hangs":
            hold(work)
            stop_all(work)
        elif work.undo["does"] == "dies":
            kill_all(work)

    def verify(self, work: Work) -> str:
        record = self._read_back(work, "line")
        if record is None:
            raise NoEffect("the line was written and is not in the kernel's log: it limits the rate at which it takes")
        also = {"hangs": seen_stopped, "dies": seen_killed}.get(work.undo["does"])
        seen = f"; {also(work)}" if also else ""
        return f"record {record} of the kernel's log is {work.undo['line']!r}{seen}"

    def heal(self, work: Work) -> None:
        if work.undo["does"] == "hangs":
            let_go(work)
        if self._found(work, "line") is not None and self._found(work, "over") is None:
            self._log.write(work.undo["over"])
            work.step("over")

    def gone(self, work: Work) -> str:
        resumed = f"; {seen_running(work)}" if work.undo["does"] == "hangs" else ""
        if self._found(work, "line") is None:
            return f"there is no such line in the kernel's log{resumed}"
        record = self._read_back(work, "over")
        if record is None:
            raise StillThere("XID 154 was written and is not in the kernel's log")
        return f"record {record} of the kernel's log is {work.undo['over']!r}; the line itself stays{resumed}"

    def lost(self, work: Work) -> str | None:
        return keeper_lost(work) or runs_again(work) if work.undo["does"] == "hangs" else None

    def victim_gone(self, work: Work) -> str | None:
        hangs = work.undo["does"] == "hangs"
        return "its processes have ended" if hangs and not keeper.of(plan_of(work)) else None

    def _address(self, order: Order, asked: _Asked) -> str:
        gpu = self._gpus.meant(order)
        return gpu.address if gpu else simulated_address(order.pods[0], asked.gpu)

    def _found(self, work: Work, which: str) -> int | None:
        """Number of the record; None when it is not there (or was overwritten long since)."""
        text = work.undo[which]
        return next((one.number for one in self._log.after(work.undo["after"]) if one.text == text), None)

    def _read_back(self, work: Work, which: str) -> int | None:
        awaited(lambda: None if self._found(work, which) is not None else "not there", within=_READ_BACK_WITHIN)
        return self._found(work, which)


def _asked(order: Order) -> _Asked:
    """Invalid for what no driver would write."""
    refuse_parameters(order, "xid", "gpu_index", "effect", "message", "process_name")
    given = order.parameters
    xid, gpu = given.get("xid"), given.get("gpu_index", 0)
    if xid not in XIDS:
        raise Invalid(f"xid is {xid!r}: choose one of {', '.join(map(str, XIDS))}", field="parameters.xid")
    if type(gpu) is not int or not 0 <= gpu < GPUS:
        raise Invalid(f"gpu_index is {gpu!r}: say 0 to {GPUS - 1}", field="gpu_index")
    try:
        effect = Effect(given.get("effect", Effect.LINE))
    except ValueError:
        raise Invalid("effect must be LINE or APPLICATION", field="parameters.effect") from None
    message = _text(given, "message", TEXTS[xid].format(gpu=gpu))
    return _Asked(xid, gpu, effect, message, _text(given, "process_name", "python3"))


def _text(given: dict[str, Any], field: str, otherwise: str) -> str:
    text = given.get(field, otherwise)
    if not isinstance(text, str) or not text or not text.isprintable() or len(text.encode()) > LONGEST // 2:
        raise Invalid(
            f"{field} must be text of 1 to {LONGEST // 2} bytes without line breaks and control characters",
            field=f"parameters.{field}",
        )
    return text
