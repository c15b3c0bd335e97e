"""Somebody else on the machine eats the CPU: busy programs of the same priority, several for each core.

Each has a session of its own: where the kernel shares the CPU between sessions (autogroup, as on desktops and many
servers) any number of them in one session gets no more than one program. Measured on 2 cores with 10 streams a second
of 50 tokens, which take 0.51 s: 1 program for each core changes nothing, with 12 the slowest takes 0.67 s, with 24
1.45 s. A kernel that shares fairly serves those first who want little.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

from support.deployment import Component, Target
from support.errors import FaultError
from support.faults import Fault, Stage, refuse_unknown
from support.process import ends_with_us
from support.vitals import vitals
from support.waiting import eventually

PER_CORE = 16
LASTS_AT_MOST = 120
"""Seconds after which each of them ends by itself, whatever became of us."""
SEEN_WITHIN = 10.0
_LOOKED = 2.0
"""Seconds over which it is looked at least how long somebody waits for the CPU."""
_RUN = 0.5
"""Seconds in each second that the busy programs together must run: else whoever waits, waits for somebody else."""
_WAITS = 0.2
"""Seconds in each second that the threads of some worker together must wait for the CPU; 0.1 is usual under a load."""
_BUSY = f"import time\nend = time.monotonic() + {LASTS_AT_MOST}\nwhile time.monotonic() < end: pass"


class NoisyNeighbour(Fault):
    """Busy programs that know nothing of the deployment, until it is healed. `workers` are to feel it."""

    kinds = ("noisy_neighbour",)
    name = "eating the CPU"
    lasting = True
    slows_clients = True

    def __init__(self, count: int, workers: Sequence[Component]) -> None:
        self.victim = f"{count} busy neighbours"
        self._count = count
        self._workers = workers
        self._busy: list[subprocess.Popen[bytes]] = []

    @classmethod
    def of(cls, stage: Stage, victims: Sequence[Component], parameters: Mapping[str, str]) -> list[Fault]:
        refuse_unknown(cls.kinds[0], parameters)
        return [cls(PER_CORE * len(os.sched_getaffinity(0)), stage.deployment.workers)]

    def available(self, target: Target) -> str | None:
        return None if target.name == "local" else "a busy neighbour can be had on the local target only"

    def inject(self) -> None:
        self._since = time.monotonic()
        self._before = self._waited()
        command = ends_with_us([sys.executable, "-S", "-c", _BUSY])
        for _ in range(self._count):
            self._busy.append(subprocess.Popen(command, start_new_session=True))

    def verify(self) -> str:
        return eventually(
            self._felt, within=SEEN_WITHIN, describe=f"the {self.victim} are felt", error=FaultError, interval=0.1
        )

    def heal(self) -> None:
        for one in self._busy:
            one.kill()
            one.wait()
        self._busy = []

    def _felt(self) -> str:
        """How long they ran in each second since, and who waited longest for the CPU meanwhile."""
        passed = time.monotonic() - self._since
        ran = sum(vitals(one.pid).cpu for one in self._busy) / passed
        share, name = max(((now - self._before[name]) / passed, name) for name, now in self._waited().items())
        assert passed >= _LOOKED, f"{passed:.1f} s have been looked at"
        assert share >= _WAITS, f"{name} waited longest, {share:.2f} s in each second"
        assert ran >= _RUN, f"together they ran for {ran:.2f} s in each second"
        return f"they run for {ran:.2f} s in each second, in which the threads of {name} wait {share:.2f} s for the CPU"

    def _waited(self) -> dict[str, float]:
        return {one.name: one.vitals().cpu_wait for one in self._workers}
