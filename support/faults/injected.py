"""Faults that the injection service does: what it is asked for, its proof, and that it takes them back."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence

from support.deployment import Component, Deployment
from support.errors import FaultError
from support.faults import Fault, Stage, refuse_unknown, whole_number
from support.injection import Injected, InjectionService
from support.waiting import eventually

LONGEST = 120
"""Seconds after which the service ends a fault by itself, where a scenario does not say."""
_LATE = 2.0
"""Seconds that an end may be late."""
_BACK_WITHIN = 20.0
"""Seconds in which a service that was killed answers again."""


class InjectedFault(Fault):
    """Done by the service until it is healed; with `seconds`, until it has ended by itself after so many.

    forgotten: the service and its agent are killed as soon as it is there.
    """

    lasting = True
    takes: tuple[str, ...] = ()
    """Parameters that its kind knows, besides seconds."""

    def __init__(self, deployment: Deployment, victim: str, parameters: Mapping[str, str]) -> None:
        self.victim = victim
        self._deployment = deployment
        self._service = deployment.injection()
        self._forgotten = parameters.get("forgotten") == "yes"
        self._ends = "seconds" in parameters
        self._seconds = whole_number(self.kinds[0], "seconds", parameters.get("seconds", str(LONGEST)))
        self._fault: Injected | None = None
        self.take(parameters)

    @classmethod
    def of(cls, stage: Stage, victims: Sequence[Component], parameters: Mapping[str, str]) -> list[Fault]:
        refuse_unknown(cls.kinds[0], parameters, "seconds", "forgotten", *cls.takes)
        return [cls(stage.deployment, victim.name, parameters) for victim in victims]

    @abstractmethod
    def take(self, parameters: Mapping[str, str]) -> None:
        """What its kind is told. UsageError for values that make no sense."""

    @abstractmethod
    def ask(self, service: InjectionService, seconds: float) -> Injected:
        """Ask the service for it."""

    def inject(self) -> None:
        self._fault = self.ask(self._service, self._seconds)

    def verify(self) -> str:
        assert self._fault, "it was asked for before"
        now = self._service.fault(self._fault.id)
        if now.state != "ACTIVE" or not now.evidence:
            raise FaultError(
                f"the fault {now.id} is {now.state}, with the evidence: {'; '.join(now.evidence) or 'none'}"
            )
        if self._forgotten:
            self._deployment.lose_injection()
        return f"{'simulated: ' if now.simulated else ''}{'; '.join(now.evidence)}"

    def heal(self) -> None:
        if self._fault is None:
            return
        if self._forgotten:
            eventually(
                self._service.ready, within=_BACK_WITHIN, describe="the injection service is back", error=FaultError
            )
        if self._ends:
            eventually(
                self._expired,
                within=self._seconds + _LATE,
                describe=f"the fault {self._fault.id} has ended by itself",
                error=FaultError,
                last_seen=self._state,
            )
        elif (ended := self._service.recover(self._fault.id).state) not in ("RECOVERED", "EXPIRED"):
            raise FaultError(f"the fault {self._fault.id} was to be taken back and is {ended}")
        self._fault = None

    def _expired(self) -> bool:
        return self._state() == "EXPIRED"

    def _state(self) -> str:
        assert self._fault
        return self._service.fault(self._fault.id).state
