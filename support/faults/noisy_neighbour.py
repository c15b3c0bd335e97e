"""Somebody else on the machine eats the CPU: as many busy programs as there are cores, of the same priority."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from support.deployment import Component, Target
from support.errors import FaultError
from support.faults import Fault, Stage, refuse_unknown
from support.local import lab
from support.waiting import eventually

LASTS_AT_MOST = 120
"""Seconds after which each of them ends by itself, whatever became of us."""
SEEN_WITHIN = 10.0
_EATS = 0.3
"""Seconds of CPU that each must be seen to have used."""
_BUSY = f"import time\nend = time.monotonic() + {LASTS_AT_MOST}\nwhile time.monotonic() < end: pass"
_TICKS = os.sysconf("SC_CLK_TCK")


class NoisyNeighbour(Fault):
    """Busy programs that know nothing of the deployment, until it is healed."""

    kinds = ("noisy_neighbour",)
    name = "eating the CPU"
    lasting = True

    def __init__(self, count: int) -> None:
        self.victim = f"{count} busy neighbours"
        self._count = count
        self._busy: list[subprocess.Popen[bytes]] = []

    @classmethod
    def of(cls, stage: Stage, victims: Sequence[Component], parameters: Mapping[str, str]) -> list[Fault]:
        refuse_unknown(cls.kinds[0], parameters)
        return [cls(len(os.sched_getaffinity(0)))]

    def available(self, target: Target) -> str | None:
        return None if target.name == "local" else "a busy neighbour can be had on the local target only"

    def inject(self) -> None:
        command = lab.ends_with_us([sys.executable, "-S", "-c", _BUSY])
        for _ in range(self._count):
            self._busy.append(subprocess.Popen(command))

    def verify(self) -> str:
        used = eventually(
            self._used, within=SEEN_WITHIN, describe=f"the {self.victim} eat the CPU", error=FaultError, interval=0.1
        )
        return f"{self.victim} have used {sum(used):.1f} s of CPU"

    def heal(self) -> None:
        for one in self._busy:
            one.kill()
            one.wait()
        self._busy = []

    def _used(self) -> list[float]:
        used = [_cpu_seconds(one.pid) for one in self._busy]
        assert min(used) >= _EATS, f"they have used {used} s of CPU"
        return used


def _cpu_seconds(pid: int) -> float:
    """Of a program so far (proc(5): utime and stime)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS
