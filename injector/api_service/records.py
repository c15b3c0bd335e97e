"""What the service remembers of a fault, and how it tells of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from injector.clock import Moment
from injector.fault import Fault, Order
from injector.journal import Entry
from injector.life import State
from injector.words import Kind

_PRECEDENCE = (
    State.RECOVERING,
    State.INJECTING,
    State.PENDING,
    State.ACTIVE,
    State.FAILED,
    State.EXPIRED,
    State.RECOVERED,
)


class Record(Entry):
    """A fault as it was asked for, the orders that it became, and what their agents said last."""

    kind: Kind
    fault_type: str
    asked: dict[str, Any]
    """The request, in the contract's words."""
    orders: dict[str, Order]
    """By node."""
    strikes: list[str]
    """Workers that it takes out of service."""
    deadline: Moment
    created: datetime
    parts: dict[str, Fault] = {}  # noqa: RUF012  # pydantic copies it
    """What the agent of each node said last."""
    ended: State | None = None
    """When no agent can tell (any more): how it ended."""
    reason: str | None = None

    @property
    def state(self) -> State:
        if self.ended:
            return self.ended
        states = {part.state for part in self.parts.values()} or {State.PENDING}
        return next(state for state in _PRECEDENCE if state in states)

    @property
    def over(self) -> bool:
        return self.state.over

    @property
    def targets(self) -> list[str]:
        return sorted({_name(pod) for order in self.orders.values() for pod in order.pods})

    @property
    def belongs_to(self) -> str | None:
        """Namespace of Kubernetes of its pods."""
        first = next(pod for order in self.orders.values() for pod in order.pods)
        return first.rpartition("/")[0] or None


def _name(reference: str) -> str:
    """Of a pod, see `Pod.reference`."""
    return reference.rpartition("/")[2]


class FaultView(BaseModel):
    """A fault, as the service tells of it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "5f0c9c3e1b7a4d0e",
                    "kind": "NETWORK",
                    "fault_type": "FRONTEND_WORKER",
                    "state": "ACTIVE",
                    "namespace": None,
                    "targets": ["frontend-0", "vllm-worker-0"],
                    "targets_left": ["frontend-0", "vllm-worker-0"],
                    "nodes": ["local"],
                    "asked": {"partition_type": "FRONTEND_WORKER", "duration_seconds": 30.0},
                    "simulated": False,
                    "irreversible": None,
                    "duration_seconds": 30.0,
                    "created_at": "2026-01-01T12:00:00Z",
                    "active_at": "2026-01-01T12:00:00.040Z",
                    "ended_at": None,
                    "evidence": ["no connection any more, and packets stopped at 2 ends: 1, 1"],
                    "reason": None,
                }
            ]
        }
    )

    id: str
    kind: Kind
    fault_type: str
    state: State
    namespace: str | None = Field(description="Of the pods, on Kubernetes.")
    targets: list[str]
    """Pods that it is done to."""
    targets_left: list[str] = Field(description="Those that it is still done to: the others have gone.")
    nodes: list[str]
    asked: dict[str, Any]
    """The request."""
    simulated: bool = Field(description="There is no GPU: it acts on the worker's processes as a GPU's would.")
    irreversible: str | None = Field(description="What of it cannot be taken back.")
    duration_seconds: float
    created_at: datetime
    active_at: datetime | None
    ended_at: datetime | None
    evidence: list[str] = Field(description="What the agents' probes saw.")
    reason: str | None = Field(description="Why it ended otherwise than by request or deadline, or is still there.")


def view(record: Record) -> FaultView:
    parts = [record.parts[node] for node in sorted(record.parts)]
    orders = list(record.orders.values())
    ends, begins = [part.ended for part in parts], [part.active for part in parts]
    reasons = [*_gone(record), *(why for part in parts for why in (part.reason, part.trouble) if why)]
    return FaultView(
        id=record.id,
        kind=record.kind,
        fault_type=record.fault_type,
        state=record.state,
        namespace=record.belongs_to,
        targets=record.targets,
        targets_left=_left(record),
        nodes=sorted(record.orders),
        asked=record.asked,
        simulated=any(part.simulated for part in parts),
        irreversible=next((part.irreversible for part in parts if part.irreversible), None),
        duration_seconds=orders[0].seconds,
        created_at=record.created,
        active_at=max((at for at in begins if at), default=None),
        ended_at=max((at for at in ends if at), default=None) if record.over else None,
        evidence=[line for part in parts for line in part.evidence],
        reason=record.reason or "; ".join(reasons) or None,
    )


def _left(record: Record) -> list[str]:
    opened = [part for part in record.parts.values() if not part.over]
    if record.over:
        return []
    return sorted({_name(pod) for part in opened for pod in part.order.pods if pod not in part.departed})


def _gone(record: Record) -> list[str]:
    """That some of its targets have gone, in a sentence; nothing when none has."""
    gone = sorted({*record.targets} - {*_left(record)})
    if record.over or not record.parts or not gone:
        return []
    left = f"{len(record.targets) - len(gone)} of {len(record.targets)}"
    return [f"it is still done to {left} pods: {', '.join(gone)} went, and whoever came instead is not part of it"]
