"""The agent: faults of this node from their intent to their end, remembered, proven, and ended in time.

Everything is in the journal before it is done. A thread ends what is due, and what has lost its effect or its victim.
`start` puts right what an agent before this one left behind.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from injector.agents.family import Family, Step, Work
from injector.agents.memory import Memory
from injector.clock import Clock
from injector.errors import Conflict, Unable, Undone
from injector.fault import Fault, Order
from injector.life import NEXT, State

T = TypeVar("T")

_log = logging.getLogger(__name__)

LOOKS_EVERY = 1.0
"""Seconds between two looks at faults that are active, and between two attempts to take one back."""


def _no_step(name: str) -> None:
    """What nobody waits for."""


class Agent:
    """One node's. Safe to call from several threads."""

    def __init__(
        self, state: Path, families: Sequence[Family], *, clock: Clock | None = None, step: Step = _no_step
    ) -> None:
        """state: a folder of its own. JournalFailure when nothing can be remembered there."""
        self._memory = Memory(state)
        self._families = families
        self._clock = clock or Clock()
        self._step = step
        self._changed = threading.Condition()
        self._over = False
        self._watch = threading.Thread(target=self._keep_watch, name="watch", daemon=True)
        self.reports: list[str] = []
        """What was found at the start that an agent before this one left behind."""

    def start(self) -> None:
        """Put right what was left behind, then keep watch. To be called before anything else is."""
        if self._memory.damage:
            self.reports.append(self._memory.damage)
        for fault in self.faults():
            if not fault.over:
                self._adopt(fault)
        self._sweep()
        self._watch.start()

    def close(self) -> None:
        """Stop watching. Faults go on; the next agent, or their keepers and the kernel, end them."""
        with self._changed:
            self._over = True
            self._changed.notify_all()
        if self._watch.is_alive():
            self._watch.join()
        self._memory.close()

    def inject(self, order: Order) -> Fault:
        """Do it, prove it, and return it ACTIVE; the same order again returns the same fault.

        Conflict, Invalid, Unable: nothing was done. Undone: it had no effect, and was taken back.
        """
        fault = self._intend(order)
        with self._memory.deed(fault):
            if fault.state is State.PENDING:
                self._do(fault)
        if fault.state is State.FAILED:
            raise self._undone(fault)
        return fault

    def explain(self, order: Order) -> Fault:
        """What `inject` would do, without doing it. The same refusals."""
        fault = self._planned(order, self._family(order))
        self._refuse_conflict(fault)
        return fault

    def recover(self, identity: str) -> Fault:
        """Take it back, seen gone; one that is over is returned as it is. Unknown; Undone when it is still there."""
        fault = self.fault(identity)
        with self._memory.deed(fault):
            if not fault.over:
                self._take_back(fault, fault.ending or State.RECOVERED)
        return fault

    def recover_all(self) -> list[Fault]:
        """Take every open one back, however many of them fail. Undone names those that are still there."""
        failures = []
        opened = [fault for fault in self.faults() if not fault.over]
        for fault in opened:
            try:
                self.recover(fault.id)
            except Undone as failure:
                failures.append(failure.detail)
        if failures:
            raise Undone("; ".join(failures))
        return opened

    def faults(self) -> list[Fault]:
        """All that are remembered, oldest first."""
        return self._memory.faults()

    def fault(self, identity: str) -> Fault:
        """Unknown."""
        return self._memory.fault(identity)

    def _intend(self, order: Order) -> Fault:
        """Its fault, PENDING and durable; or the one that is there already."""
        if known := self._memory.same(order):
            return known
        fault = self._planned(order, self._family(order))
        with self._memory.lock:
            if known := self._memory.same(order):
                return known
            self._refuse_conflict(fault)
            self._memory.add(fault)
        self._step("intended")
        return fault

    def _planned(self, order: Order, family: Family) -> Fault:
        if reason := family.available(order):
            raise Unable(reason)
        return Fault(
            id=order.id,
            order=order,
            deadline=self._clock.after(order.seconds),
            undo=family.plan(order) | {"mark": f"{self._memory.prefix}{order.id}"},
            family=family.name,
            claims=family.claims(order),
            simulated=family.simulated,
            irreversible=family.irreversible(order),
            created=self._clock.wall(),
        )

    def _family(self, order: Order) -> Family:
        for family in self._families:
            if family.answers(order):
                return family
        raise Unable(f"this node knows no {order.kind} fault {order.fault_type!r}")

    def _refuse_conflict(self, new: Fault) -> None:
        for other in self.faults():
            if not other.over and (shared := new.claims & other.claims):
                raise Conflict(
                    f"the fault {other.id} ({other.order.fault_type}) has the {min(shared)}: recover it first"
                )

    def _do(self, fault: Fault) -> None:
        family, work = self._work(fault)
        try:
            self._enter(fault, State.INJECTING)
            family.inject(work)
            self._step("injected")
            fault.evidence.append(family.verify(work))
            self._step("verified")
            fault.active = self._clock.wall()
            self._enter(fault, State.ACTIVE)
            with self._changed:
                self._changed.notify_all()
        except Exception as failure:  # whatever it was, nothing of it may stay
            self._take_back(fault, State.FAILED, str(failure) or repr(failure))
            if isinstance(failure, Unable):
                raise
            raise self._undone(fault) from failure

    @staticmethod
    def _undone(fault: Fault) -> Undone:
        order = fault.order
        return Undone(f"{order.fault_type} on {', '.join(order.pods)} is {fault.state}, not active: {fault.reason}")

    def _take_back(self, fault: Fault, ending: State, reason: str | None = None) -> None:
        """Undone when it is still there; it is then tried again."""
        family, work = self._work(fault)
        fault.ending, fault.reason = ending, reason
        if fault.state is not State.RECOVERING:
            self._enter(fault, State.RECOVERING, must=False)
        try:
            family.heal(work)
            self._step("healed")
            fault.evidence.append(family.gone(work))
            self._step("seen gone")
        except Exception as failure:
            fault.trouble = f"it is still there, and is tried again: {failure}"
            self._memory.save_if_possible(fault)
            raise Undone(f"the fault {fault.id} could not be taken back: {failure}") from failure
        fault.ended, fault.trouble = self._clock.wall(), None
        self._enter(fault, ending, must=False)
        self._memory.is_over(fault)

    def _enter(self, fault: Fault, state: State, *, must: bool = True) -> None:
        """must: it may not go on without being remembered. What takes harm back always goes on."""
        assert state in NEXT[fault.state], f"{fault.state} to {state}"
        fault.state = state
        if must:
            self._memory.save(fault)
        else:
            self._memory.save_if_possible(fault)
        self._step(str(state))

    def _work(self, fault: Fault) -> tuple[Family, Work]:
        (family,) = [one for one in self._families if one.name == fault.family]
        return family, Work(fault, self._clock, self._step)

    def _adopt(self, fault: Fault) -> None:
        """One that was open when an agent before this one ended."""
        family, work = self._work(fault)
        left, was = self._clock.seconds_until(fault.deadline), fault.state
        if left == float("-inf"):
            self._end_of_boot(fault)
        elif was is State.ACTIVE:
            self._try_to_end(fault, family, work)
        elif was is State.RECOVERING:
            self._quietly_take_back(fault, fault.ending or State.RECOVERED, fault.reason)
        else:
            self._quietly_take_back(fault, State.FAILED, "its agent ended while it was being injected")
        self.reports.append(f"the fault {fault.id} was {was}, and is {fault.state}")

    def _end_of_boot(self, fault: Fault) -> None:
        """Rules, processes and limits of a machine's former life have gone with it."""
        if fault.state is not State.RECOVERING:
            self._enter(fault, State.RECOVERING, must=False)
        fault.ended, fault.reason = self._clock.wall(), "the machine was started anew"
        self._enter(fault, State.EXPIRED, must=False)

    def _sweep(self) -> None:
        known = {fault.mark for fault in self.faults() if not fault.over}
        for family in self._families:
            for mark in family.leftovers(self._memory.prefix) - known:
                family.sweep(mark)
                self.reports.append(f"{mark} was found without a fault that tells of it, and was taken away")

    def _keep_watch(self) -> None:
        while True:
            with self._changed:
                if not self._over:
                    self._changed.wait(self._seconds_to_next())
                if self._over:
                    return
            self._look()

    def _seconds_to_next(self) -> float:
        opened = [fault for fault in self.faults() if fault.state is State.ACTIVE]
        due = [self._clock.seconds_until(fault.deadline) for fault in opened]
        return max(0.01, min([LOOKS_EVERY, *due]))

    def _look(self) -> None:
        self._memory.catch_up()
        for fault in self.faults():
            if fault.over or not (deed := self._memory.deed(fault)).acquire(blocking=False):
                continue  # whoever holds it does what is to be done
            try:
                family, work = self._work(fault)
                if fault.state is State.RECOVERING:
                    self._quietly_take_back(fault, fault.ending or State.RECOVERED, fault.reason)
                elif fault.state is State.ACTIVE:
                    self._try_to_end(fault, family, work)
            finally:
                deed.release()

    def _try_to_end(self, fault: Fault, family: Family, work: Work) -> None:
        """If it is due, or has lost its victim or its effect."""
        if self._has_expired(fault, family, work):
            return
        if reason := _asked(family.lost, work):
            if not self._has_expired(fault, family, work):  # between the two questions
                self._quietly_take_back(fault, State.FAILED, reason)
        elif (departed := _asked(family.departed, work)) is not None and departed != fault.departed:
            fault.departed = departed
            self._memory.save_if_possible(fault)

    def _has_expired(self, fault: Fault, family: Family, work: Work) -> bool:
        """It was due, or its victim has gone: it is taken back."""
        due = self._clock.seconds_until(fault.deadline) <= 0
        gone = None if due else _asked(family.victim_gone, work)
        if due or gone:
            self._quietly_take_back(fault, State.EXPIRED, gone)
        return bool(due or gone)

    def _quietly_take_back(self, fault: Fault, ending: State, reason: str | None) -> None:
        try:
            self._take_back(fault, ending, reason)
        except Undone:
            return  # its reason says it, and it is tried again


def _asked(question: Callable[[Work], T | None], work: Work) -> T | None:
    """None, too, when it cannot be told. Whatever it raises ends no watch: the other faults have deadlines as well."""
    try:
        return question(work)
    except (OSError, RuntimeError):
        return None  # who cannot tell has seen nothing
    except Exception:  # noqa: BLE001  # a watch that ends would let every other fault last for ever
        _log.exception("the fault %s: nobody can tell how it is now", work.fault.id)
        return None
