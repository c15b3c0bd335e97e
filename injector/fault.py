"""What an agent is asked for, and what it remembers of it: an `Order` and its `Fault`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from injector.clock import Moment
from injector.inventory import Identity
from injector.journal import Entry
from injector.life import State
from injector.words import Kind

LONGEST = 86_400.0
"""Seconds that a fault may last."""
ID = r"[a-z0-9][a-z0-9-]{0,63}"
Id = Annotated[str, Field(pattern=f"^{ID}$", max_length=64)]


class Order(BaseModel):
    """One fault on one node, as the service asks the node's agent for it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Id
    """The same one twice is one fault."""
    kind: Kind
    fault_type: str = Field(max_length=40)
    """Of that kind, in the contract's words."""
    pods: tuple[str, ...] = Field(min_length=1, max_length=100)
    """Those of this node that it is done to."""
    seconds: float = Field(gt=0, le=LONGEST)
    parameters: dict[str, Any] = {}
    """Of the family; it says which there are."""
    identities: dict[str, Identity] = {}
    """Of pods of Kubernetes, by their names here."""
    asked: dict[str, Any] = {}
    """The request that it came from, and `strikes` the pods that it takes out of service: for a service that has lost
    its memory."""
    strikes: tuple[str, ...] = ()


class Fault(Entry):
    """A fault of this node, and how it goes. The agent alone changes it."""

    order: Order
    state: State = State.PENDING
    deadline: Moment
    undo: dict[str, Any]
    """All that must be known to take it back; the family's own."""
    family: str = ""
    """Whose it is, by name. What answers an order may be another one later, when the pod is on no GPU any more."""
    claims: frozenset[str] = frozenset()
    """What no other fault may have meanwhile."""
    simulated: bool
    """It acts on the process of a worker as a GPU's would, for there is none."""
    irreversible: str | None
    """What of it cannot be taken back."""
    ending: State | None = None
    """While RECOVERING: what it will be when it is seen gone."""
    evidence: list[str] = Field(default_factory=list)
    """What the probes saw, in order."""
    departed: tuple[str, ...] = ()
    """Pods of the order that it is done to no more, for they have gone."""
    reason: str | None = None
    """Why it ends, or ended, otherwise than by request or deadline."""
    trouble: str | None = None
    """While RECOVERING: why it is not gone yet."""
    created: datetime
    active: datetime | None = None
    ended: datetime | None = None

    @property
    def over(self) -> bool:
        return self.state.over

    @property
    def mark(self) -> str:
        """By which what is done for it is known; the agent's own name comes first."""
        mark: str = self.undo["mark"]
        return mark
