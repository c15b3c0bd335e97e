"""What may be done: to whom, how much at once, and never so much that nothing is left to serve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from injector.api_service.drafts import Draft
from injector.api_service.records import Record
from injector.errors import Forbidden
from injector.inventory import GENERATING, Inventory, Pod

DEFAULT_SECONDS = 300.0


@dataclass(frozen=True)
class Rules:
    """Of one service."""

    most_at_once: int = 10
    longest_seconds: float = 3600.0

    def insist(
        self, draft: Draft, seconds: float, opened: Sequence[Record], inventory: Inventory, *, last_worker: bool
    ) -> None:
        """Forbidden, saying which rule it breaks and how it would not."""
        for pod in draft.pods:
            if pod.protected:
                raise Forbidden(f"{pod.name} is protected ({pod.protected}): choose another pod")
            if not pod.faults_allowed:
                raise Forbidden(f"{_opting_in(pod)} has not opted in to faults: have it opt in first")
        if len(opened) >= self.most_at_once:
            raise Forbidden(f"{len(opened)} faults are there, as many as may be at once: recover one first")
        if seconds > self.longest_seconds:
            raise Forbidden(f"a fault may last {self.longest_seconds:g} s at most here: say less")
        if not last_worker:
            self._leave_a_worker(draft, opened, inventory)

    def _leave_a_worker(self, draft: Draft, opened: Sequence[Record], inventory: Inventory) -> None:
        out = {name for record in opened if record.belongs_to == draft.belongs_to for name in record.strikes}
        struck = {pod.name for pod in draft.strikes}
        for role in {pod.role for pod in draft.strikes if pod.role in GENERATING}:
            healthy = {pod.name for pod in inventory.pods(draft.belongs_to) if pod.role == role and pod.healthy} - out
            if (healthy and healthy <= struck) or not healthy:
                raise Forbidden(f"no healthy {role} would be left: say allow_last_worker if that is what you mean")


def _opting_in(pod: Pod) -> str:
    return f"the namespace {pod.belongs_to}" if pod.belongs_to else f"what {pod.name} belongs to"
