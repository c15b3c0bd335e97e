"""What a family of faults is: how one kind of harm is done on this node, seen, and taken back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from injector.clock import Clock
from injector.fault import Fault, Order

Step = Callable[[str], None]


class NoEffect(Exception):
    """A probe did not see the fault; says what it saw."""


class StillThere(Exception):
    """A probe still sees the fault after it was taken back; says what it saw."""


@dataclass(frozen=True)
class Work:
    """One fault, as its family is to do or undo it."""

    fault: Fault
    clock: Clock
    step: Step
    """Called after each thing that is done, with its name. Tests end the agent there."""

    @property
    def undo(self) -> dict[str, Any]:
        return self.fault.undo

    @property
    def mark(self) -> str:
        return self.fault.mark

    @property
    def seconds_left(self) -> float:
        """Until its deadline; a little, when that has passed already."""
        return max(0.05, self.clock.seconds_until(self.fault.deadline))


class Family(ABC):
    """Faults of one kind. `plan` is durable before `inject`; `heal` may come after any part of it, and twice."""

    name: ClassVar[str]
    simulated: ClassVar[bool] = False

    @abstractmethod
    def answers(self, order: Order) -> bool:
        """The order is one for this family."""

    @abstractmethod
    def available(self, order: Order) -> str | None:
        """Why this node cannot do it, in one sentence; None when it can. Invalid for parameters that cannot be."""

    @abstractmethod
    def plan(self, order: Order) -> dict[str, Any]:
        """What must be known to do and undo it. Nothing is done yet. Conflict when there is nothing to do it to."""

    def claims(self, order: Order) -> frozenset[str]:
        """What no other fault may have at the same time: two with one claim would be in each other's way."""
        return frozenset()

    def irreversible(self, order: Order) -> str | None:
        """What of it cannot be taken back, in one sentence."""
        return None

    @abstractmethod
    def inject(self, work: Work) -> None:
        """Do it. OSError or PartitionError when the kernel refuses."""

    @abstractmethod
    def verify(self, work: Work) -> str:
        """What an independent probe saw of its effect. NoEffect when it saw none."""

    @abstractmethod
    def heal(self, work: Work) -> None:
        """Take it back as far as it goes; what it was done to may have gone."""

    @abstractmethod
    def gone(self, work: Work) -> str:
        """What a probe saw after it was taken back. StillThere when it still sees the fault."""

    def victim_gone(self, work: Work) -> str | None:
        """While it is active: why there is nothing left that it is done to; None when there is."""
        return None

    def lost(self, work: Work) -> str | None:
        """While it is active: why it has no effect any more; None when it has."""
        return None

    def departed(self, work: Work) -> tuple[str, ...]:
        """While it is active: those of its pods that have gone, and its part that was done to them with them."""
        return ()

    def leftovers(self, prefix: str) -> set[str]:
        """Marks of what is there in the kernel whose mark begins so."""
        return set()

    def sweep(self, mark: str) -> None:  # noqa: B027  # a family without leftovers has nothing to do
        """Take away what has this mark, without a fault that tells of it."""
