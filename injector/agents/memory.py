"""What an agent remembers: every fault of its node, here and in the journal."""

from __future__ import annotations

import threading
from pathlib import Path
from uuid import uuid4

from injector.errors import Conflict, Unable, Unknown
from injector.fault import Fault, Order
from injector.journal import KEPT, Journal, JournalFailure

_NAME = "agent"
_JOURNAL = "journal.sqlite"


class Memory:
    """Of one agent. Safe to use from several threads."""

    def __init__(self, state: Path) -> None:
        """state: a folder of its own. JournalFailure when nothing can be remembered there."""
        self._journal = Journal(state / _JOURNAL, Fault)
        self.prefix = f"dfi_{_own_name(state)}_"
        """Of the marks of all that this agent makes in the kernel, for as long as its folder lives."""
        self._faults = {fault.id: fault for fault in self._journal.all()}
        self._unsaved: set[str] = set()
        self._deeds: dict[str, threading.RLock] = {}
        self.lock = threading.RLock()
        """Held by whoever looks before it adds."""

    @property
    def damage(self) -> str | None:
        """What was wrong with the journal that was there, and where it is kept now."""
        return self._journal.damage

    def faults(self) -> list[Fault]:
        """Oldest first."""
        with self.lock:
            return list(self._faults.values())

    def fault(self, identity: str) -> Fault:
        """Unknown."""
        with self.lock:
            if identity not in self._faults:
                raise Unknown(f"there is no fault {identity!r} on this node")
            return self._faults[identity]

    def same(self, order: Order) -> Fault | None:
        """The fault that this order is already. Conflict when its id is that of another one."""
        with self.lock:
            known = self._faults.get(order.id)
        if known and known.order != order:
            raise Conflict(f"the fault {order.id} is another one already: choose another id", field="id")
        return known

    def add(self, fault: Fault) -> None:
        """A new one, durable. Unable when it is not."""
        with self.lock:
            try:
                self._journal.save(fault)
            except JournalFailure as failure:
                raise Unable(f"nothing was done, for it could not be taken back surely: {failure}") from failure
            self._faults[fault.id] = fault

    def save(self, fault: Fault) -> None:
        """Durable when it returns. JournalFailure when it is not."""
        self._journal.save(fault)

    def save_if_possible(self, fault: Fault) -> None:
        """What takes harm back goes on without; it is written when it can be."""
        try:
            self._journal.save(fault)
            self._unsaved.discard(fault.id)
        except JournalFailure:
            self._unsaved.add(fault.id)

    def catch_up(self) -> None:
        """Write what could not be written."""
        for fault in self.faults():
            if fault.id in self._unsaved:
                self.save_if_possible(fault)

    def deed(self, fault: Fault) -> threading.RLock:
        """Held by whoever does something to it."""
        with self.lock:
            return self._deeds.setdefault(fault.id, threading.RLock())

    def is_over(self, fault: Fault) -> None:
        """Nothing more will be done to it; the oldest of these are forgotten, as the journal does."""
        with self.lock:
            self._deeds.pop(fault.id, None)
            over = [one.id for one in self._faults.values() if one.over]
            for identity in over[:-KEPT]:
                del self._faults[identity]

    def close(self) -> None:
        self._journal.close()


def _own_name(state: Path) -> str:
    file = state / _NAME
    if not file.exists():
        made = file.with_suffix(".new")
        made.write_text(uuid4().hex[:8])
        made.replace(file)
    return file.read_text()
