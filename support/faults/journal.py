"""What was done to a deployment, so that all of it is taken back and stands in the pictures."""

from __future__ import annotations

import time
from dataclasses import replace

from support.deployment import Target
from support.errors import FaultError, LeftOut, SpecsError, Unavailable
from support.faults import Fault
from support.report.timeline import FaultMark


class Journal:
    """The faults of one scenario, in order. One that was begun is healed, whatever became of it."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._open: list[tuple[Fault, int | None]] = []
        self.marks: list[FaultMark] = []
        """When each fault was there, for pictures."""
        self.evidence: dict[str, str] = {}
        """What showed that it was, by what was done to whom."""

    def inject(self, *faults: Fault) -> None:
        """Do them at once and see their effect. Unavailable where one cannot be done, FaultError when one failed."""
        for fault in faults:
            if reason := fault.available(self._target):
                raise Unavailable(reason)
        done = []
        for fault in faults:
            self._open.append((fault, None))
            at = time.monotonic()
            fault.inject()
            done.append((fault, at, time.monotonic()))
        for fault, at, done_at in done:
            self.evidence[f"{fault.victim} {fault.name}"] = fault.verify()
            # One that took its time, as a rolling restart does, was there until now.
            ended_at = None if fault.lasting else _until(at)
            mark = FaultMark(fault.name, fault.victim, at, ended_at, done_at=done_at, slows_clients=fault.slows_clients)
            self.marks.append(mark)
            self._open = [(one, len(self.marks) - 1 if one is fault else mark) for one, mark in self._open]

    def add(self, mark: FaultMark) -> None:
        """Something else that was done on purpose, such as a client that left."""
        self.marks.append(mark)

    def heal(self, *faults: Fault) -> None:
        """Take back these, or every fault, last one first. FaultError for those that could not be."""
        failed = []
        for fault, mark in reversed([(one, mark) for one, mark in self._open if not faults or one in faults]):
            self._open.remove((fault, mark))
            began = time.monotonic()
            try:
                fault.heal()
            except LeftOut:
                pass  # what cannot be taken back here could not be done here either
            except (SpecsError, OSError, AssertionError) as failure:
                failed.append(f"{fault.victim} {fault.name}: {failure}")
            if mark is not None and fault.lasting:
                self.marks[mark] = replace(self.marks[mark], ended_at=time.monotonic(), healing_at=began)
        if failed:
            raise FaultError(f"not healed: {'; '.join(failed)}")


_MOMENT = 0.5  # seconds; what took less just happened


def _until(began: float) -> float:
    now = time.monotonic()
    return now if now - began > _MOMENT else began
