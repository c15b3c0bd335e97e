"""The service: agrees to a fault or refuses it, remembers it, has the agents do it, and tells what became of it.

What is true is what the agents say. The service remembers whom it asked, so that a fault is listed and ended also after
a restart, and so that one whose node has gone ends with its deadline.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from injector.api_service.agents import AgentClient, Unreachable
from injector.api_service.drafts import Draft
from injector.api_service.records import FaultView, Record, view
from injector.api_service.rules import DEFAULT_SECONDS, Rules
from injector.clock import Clock
from injector.errors import Conflict, Refusal, Unable, Undone, Unknown
from injector.fault import Fault, Order
from injector.inventory import Inventory, Pod
from injector.journal import KEPT, Journal, JournalFailure
from injector.life import State
from injector.words import Kind, ProcessFault

GRACE = 5.0
"""Seconds after its deadline in which an agent that does not answer must have ended a fault."""
_JOURNAL = "journal.sqlite"


def _no_step(name: str) -> None:
    """What nobody waits for."""


class Service:
    """Over the agents of some nodes. Safe to call from several threads."""

    def __init__(
        self,
        state: Path,
        agents: Mapping[str, AgentClient],
        inventory: Inventory,
        *,
        rules: Rules | None = None,
        clock: Clock | None = None,
        step: Callable[[str], None] = _no_step,
    ) -> None:
        """state: a folder of its own. agents: by node. JournalFailure when nothing can be remembered there."""
        self._journal = Journal(state / _JOURNAL, Record)
        self._records = {record.id: record for record in self._journal.all()}
        self._agents = agents
        self.inventory = inventory
        self._rules = rules or Rules()
        self._clock = clock or Clock()
        self._step = step
        self._lock = threading.RLock()
        self._busy: set[str] = set()
        """Faults whose agents are being asked just now."""
        self._met: set[str] = set()
        """Nodes whose agents have told what they do since this service started."""

    def close(self) -> None:
        """The agents' clients are whoever's who gave them."""
        self._journal.close()

    def inject(
        self, draft: Draft, *, identity: str | None = None, seconds: float | None = None, last_worker: bool = False
    ) -> FaultView:
        """Have it done. Every refusal there is; Undone also when an agent failed and nothing of it is left."""
        record, new = self._agree(draft, identity, seconds or DEFAULT_SECONDS, last_worker=last_worker)
        if not new:
            return view(self._refreshed([record])[0])
        self._step("agreed")
        with self._busy_with(record):
            try:
                for node, order in record.orders.items():
                    record.parts[node] = self._agent(node).inject(order)
                    self._step("ordered")
            except Refusal as refusal:
                self._call_off(record, refusal)
                raise
            self._remember(record)
        self._step("done")
        return view(record)

    def explain(self, draft: Draft, *, seconds: float | None = None, last_worker: bool = False) -> list[Fault]:
        """What `inject` would have done at each node, and nothing is. The same refusals."""
        wanted = seconds or DEFAULT_SECONDS
        with self._lock:
            self._rules.insist(draft, wanted, self._open(), self.inventory, last_worker=last_worker)
        orders = _orders(draft, f"dry-run-{uuid4().hex[:8]}", wanted)
        return [self._agent(node).explain(order) for node, order in orders.items()]

    def recover(self, identity: str) -> FaultView:
        """Have it taken back. Unknown; Undone when an agent is unreachable, or it is still there."""
        record = self._record(identity)
        self._refreshed([record])
        if not record.over:
            with self._busy_with(record):
                for node in record.orders:
                    record.parts[node] = self._agent(node).recover(identity)
                    self._step("recovered")
            self._remember(record)
        return view(record)

    def recover_all(self) -> list[FaultView]:
        """Every fault of every agent, also those that the service does not know of. Undone names what failed."""
        opened = [record for record in self.records() if not record.over]
        failures = []
        for node in self._agents:
            try:
                self._agent(node).recover_all()
            except Undone as failure:
                failures.append(failure.detail)
        self._refreshed(opened)
        if failures:
            raise Undone("; ".join(failures))
        return [view(record) for record in opened]

    def resume(self, pod: Pod) -> FaultView:
        """Recover what pauses this pod. Conflict when nothing does."""
        for record in self.records():
            there = {name for order in record.orders.values() for name in order.pods}
            if record.fault_type == ProcessFault.PAUSE and pod.reference in there and not record.over:
                return self.recover(record.id)
        raise Conflict(f"no fault pauses {pod.name}: there is nothing to resume")

    def fault(self, identity: str) -> FaultView:
        """Unknown."""
        return view(self._refreshed([self._record(identity)])[0])

    def faults(self, *, state: State | None = None, kind: Kind | None = None) -> list[FaultView]:
        """Those in that state, or all that are not over; oldest first."""
        found = self.records()
        return [
            view(record)
            for record in found
            if (record.state is state if state else not record.over) and kind in (None, record.kind)
        ]

    def records(self) -> list[Record]:
        """All that are remembered, as the agents tell of them now."""
        self._meet_agents()
        with self._lock:
            found = list(self._records.values())
        return self._refreshed(found)

    def insist_on_agents(self) -> None:
        """Undone, naming the agents that do not answer."""
        lacking = []
        for node in self._agents:
            try:
                self._agent(node).reports()
            except Refusal as failure:
                lacking.append(failure.detail)
        if lacking:
            raise Undone("; ".join(lacking))

    def now(self) -> datetime:
        return self._clock.wall()

    def _agree(self, draft: Draft, identity: str | None, seconds: float, *, last_worker: bool) -> tuple[Record, bool]:
        with self._lock:
            if known := self._records.get(identity or ""):
                if known.asked != draft.asked:
                    raise Conflict(f"the fault {identity} is another one already: choose another id", field="id")
                return known, False
            opened = self._open()
            self._rules.insist(draft, seconds, opened, self.inventory, last_worker=last_worker)
            made = identity or uuid4().hex[:16]
            record = Record(
                id=made,
                kind=draft.kind,
                fault_type=draft.fault_type,
                asked=draft.asked,
                orders=_orders(draft, made, seconds),
                strikes=[pod.name for pod in draft.strikes],
                deadline=self._clock.after(seconds),
                created=self._clock.wall(),
            )
            try:
                self._journal.save(record)
            except JournalFailure as failure:
                raise Unable(f"nothing was done, for it could not be remembered: {failure}") from failure
            self._records[made] = record
            self._busy.add(made)
        return record, True

    def _open(self) -> list[Record]:
        return [record for record in self._refreshed(list(self._records.values())) if not record.over]

    def _agent(self, node: str) -> AgentClient:
        try:
            return self._agents[node]
        except KeyError:
            raise Undone(f"there is no agent on the node {node}: start one there") from None

    def _record(self, identity: str) -> Record:
        self._meet_agents()
        with self._lock:
            if identity not in self._records and (silent := {*self._agents} - self._met):
                raise Undone(
                    f"nobody knows the fault {identity!r}, and the agents of {', '.join(silent)} do not answer"
                )
            if identity not in self._records:
                raise Unknown(f"there is no fault {identity!r}: GET /api/v1/faults lists those that there are")
            return self._records[identity]

    @contextmanager
    def _busy_with(self, record: Record) -> Iterator[None]:
        with self._lock:
            self._busy.add(record.id)
        try:
            yield
        finally:
            with self._lock:
                self._busy.discard(record.id)

    def _meet_agents(self) -> None:
        """Take over what they remember and this service does not: it may have lost its folder."""
        for node in {*self._agents} - self._met:
            told = self._told(node)
            if isinstance(told, Unreachable):
                continue
            with self._lock:
                self._met.add(node)
                for fault in told.values():
                    self._take_over(node, fault)

    def _take_over(self, node: str, fault: Fault) -> None:
        order = fault.order
        record = self._records.setdefault(
            order.id,
            Record(
                id=order.id,
                kind=order.kind,
                fault_type=order.fault_type,
                asked=order.asked,
                orders={node: order},
                strikes=list(order.strikes),
                deadline=self._clock.after(order.seconds),
                created=fault.created,
            ),
        )
        if node not in record.orders:
            record.orders[node] = order
        record.parts.setdefault(node, fault)
        if not record.over:
            self._remember(record)

    def _call_off(self, record: Record, refusal: Refusal) -> None:
        """An agent would not, or failed: those that have done their part take it back."""
        record.reason = refusal.detail
        for node in record.orders:
            try:
                record.parts[node] = self._agent(node).recover(record.id)
            except Unknown:
                continue  # it has done nothing
            except Refusal as failure:
                record.reason += f"; {failure.detail}"
                if isinstance(failure, Unreachable):
                    self._remember(record)
                    return  # nobody knows what it did: it stays open until the agent answers, or the deadline
        if all(part.over for part in record.parts.values()):
            record.ended = State.FAILED
        self._remember(record)

    def _refreshed(self, records: list[Record]) -> list[Record]:
        """With what the agents say now of those that are not over. What was made at a part of its nodes is undone."""
        told: dict[str, dict[str, Fault] | Unreachable] = {}
        # Chosen before any agent is asked: what an agent told before it was asked for a fault is no news of that fault.
        wanted = [one for one in records if not one.over and one.id not in self._busy]
        for record in wanted:
            before = record.state
            for node, order in record.orders.items():
                if node not in told:
                    told[node] = self._told(node, [one.id for one in wanted if node in one.orders])
                self._learn(record, node, order, told[node])
            if record.ended is State.FAILED and not all(part.over for part in record.parts.values()):
                record.ended = None
                self._call_off(record, Undone(record.reason or "it was made at a part of its nodes"))
            elif record.state is not before:
                self._remember(record)
        return records

    def _told(self, node: str, ids: list[str] | None = None) -> dict[str, Fault] | Unreachable:
        try:
            return self._agent(node).faults(ids)
        except Refusal as failure:
            return failure if isinstance(failure, Unreachable) else Unreachable(failure.detail)

    def _learn(self, record: Record, node: str, order: Order, told: dict[str, Fault] | Unreachable) -> None:
        if isinstance(told, Unreachable):
            if self._clock.seconds_until(record.deadline) < -GRACE:
                record.ended = State.EXPIRED
                record.reason = f"{told.detail}; its deadline has passed, and ends it without the agent"
        elif order.id in told:
            record.parts[node] = told[order.id]
        else:
            record.ended = State.FAILED
            record.reason = f"the agent of {node} knows nothing of it: it was never done, or was undone when it started"

    def _remember(self, record: Record) -> None:
        """What cannot be written now is asked of the agents again after a restart."""
        try:
            self._journal.save(record)
        except JournalFailure as failure:
            record.reason = record.reason or str(failure)
        with self._lock:
            over = [one.id for one in self._records.values() if one.over]
            for identity in over[:-KEPT]:
                del self._records[identity]


def _orders(draft: Draft, identity: str, seconds: float) -> dict[str, Order]:
    return {
        node: Order(
            id=identity,
            kind=draft.kind,
            fault_type=draft.fault_type,
            pods=tuple(pod.reference for pod in pods),
            seconds=seconds,
            parameters=draft.parameters[node],
            identities={pod.reference: pod.identity for pod in pods if pod.identity},
            asked=draft.asked,
            strikes=tuple(pod.name for pod in draft.strikes),
        )
        for node, pods in draft.nodes.items()
    }
