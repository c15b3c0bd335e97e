"""A worker that cannot stay up: killed and started again, several times in quick succession."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from support.deployment import Component, Deployment
from support.errors import FaultError, UsageError
from support.faults import Fault, Stage, refuse_unknown
from support.waiting import eventually, scaled

TIMES = 5
WITHIN = 20.0
"""Seconds that all of it may take; measured: 1.2, and 7 to 10 where programs are read from disk."""
LISTED_WITHIN = 10.0
"""Seconds until the frontend lists what was started: else it is killed before it has served."""


class Churn(Fault):
    """Killed, started, listed by the frontend, and killed again, so many times; it runs at last. parameters: times."""

    kinds = ("churn",)
    name = "killed and started again and again"

    def __init__(self, component: Component, deployment: Deployment, times: int = TIMES) -> None:
        self.victim = component.name
        self._component = component
        self._deployment = deployment
        self._times = times
        self._pids: list[int] = []
        self._took = 0.0

    @classmethod
    def of(cls, stage: Stage, victims: Sequence[Component], parameters: Mapping[str, str]) -> list[Fault]:
        refuse_unknown(cls.kinds[0], parameters, "times")
        times = parameters.get("times", str(TIMES))
        if not times.isdigit() or not int(times):
            raise UsageError(f"times of the failure 'churn' is {times!r}: it must be a whole number, 1 or more")
        return [cls(victim, stage.deployment, int(times)) for victim in victims]

    def inject(self) -> None:
        begun = time.monotonic()
        self._pids = [self._component.pid]
        for _ in range(self._times):
            known = {instance.id for instance in self._deployment.instances()}
            self._component.kill()
            self._component.restart()
            self._pids.append(self._component.pid)
            eventually(
                lambda known=known: self._new(known),  # type: ignore[misc]
                within=LISTED_WITHIN,
                describe=f"the frontend lists the {self.victim} that was started again",
                error=FaultError,
            )
        self._took = time.monotonic() - begun

    def verify(self) -> str:
        if len(set(self._pids)) != self._times + 1:
            raise FaultError(f"{self.victim} was to be started {self._times} times, its processes were {self._pids}")
        if self._took > scaled(WITHIN):
            raise FaultError(f"{self.victim} was started {self._times} times, but not in quick succession")
        return f"{self._times} new processes of {self.victim} in {self._took:.1f} s"

    def _new(self, known: set[int]) -> bool:
        return any(
            instance.id not in known and instance.address in ("", self._component.address)
            for instance in self._deployment.instances()
        )
