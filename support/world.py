"""What one scenario works with: a deployment, clients, faults, and the evidence of it all."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from support.counts import BEGUN_ANSWERS, Counter, Counts, in_flight
from support.deployment import Component, Deployment, Target
from support.errors import DeploymentError, FaultError, NotWithin, SpecsError, Unavailable, UsageError
from support.evidence import Evidence
from support.faults import Fault
from support.matchers import RecordMatcher, complete_answer, counted_answer
from support.phrases import Ask
from support.records import RequestRecord
from support.report.timeline import FaultMark
from support.requests import CancellableRequest
from support.settings import Settings
from support.spec import DeploymentSpec
from support.waiting import eventually

TOKENS_BEFORE_LEAVING = 10
COUNTED_WITHIN = 2.0


@dataclass(frozen=True)
class _Left:
    """A client that left: its request, the worker that served it, and when (CLOCK_MONOTONIC)."""

    request_id: str
    worker: Component
    at: float


class World:
    """One per scenario; steps reach it as `context.world`."""

    def __init__(self, *, settings: Settings, target: Target, folder: Path) -> None:
        self.settings = settings
        self.target = target
        self.folder = folder
        self.begun = time.monotonic()
        self.clients: dict[str, CancellableRequest] = {}
        self.notes: dict[str, str] = {}
        """Measured values for the report, by what was measured."""
        self._deployment: Deployment | None = None
        self._counts: Counts | None = None
        self._left: _Left | None = None
        self._marks: list[FaultMark] = []
        self._heal: list[Fault] = []

    # A deployment.

    def deploy(self, **wanted: object) -> Deployment:
        """A ready deployment of what the scenario asks for and, where it does not say, of the run's settings."""
        if self._deployment:
            raise UsageError("the scenario has a deployment already: it can ask for one only")
        settings = self.settings
        defaults = {"engine": settings.engine, "request_plane": settings.request_plane, "dynamo": settings.dynamo}
        self._deployment = self.target.deployment(DeploymentSpec(**(defaults | wanted)))  # type: ignore[arg-type]  # checked by the spec
        self._counts = Counts(list(self._deployment.components.values()))
        return self._deployment

    @property
    def deployment(self) -> Deployment:
        if self._deployment is None:
            raise UsageError("the scenario has no deployment yet: begin with 'Given a ... deployment'")
        return self._deployment

    def counted(self, counter: Counter) -> float:
        """By how much a counter has grown since the scenario began. DeploymentError when nobody can say."""
        return (self._counts or Counts(list(self.deployment.components.values()))).grown(counter)

    # Clients.

    def send(self, name: str, ask: Ask) -> CancellableRequest:
        """A new client of that name asks."""
        if name in self.clients:
            raise UsageError(f"the scenario has a {name!r} already")
        self.clients[name] = ask.of(self.deployment)
        return self.clients[name]

    def client(self, name: str) -> CancellableRequest:
        """The client of that name."""
        try:
            return self.clients[name]
        except KeyError:
            raise UsageError(f"the scenario has no {name!r}: it has {', '.join(self.clients) or 'no client'}") from None

    def whole_answer(self, tokens: int) -> RecordMatcher:
        """What a complete answer of that many tokens is: word for word where the engine's text is known."""
        return complete_answer(tokens) if self.deployment.spec.engine == "counting" else counted_answer(tokens)

    def worker_of(self, name: str) -> Component:
        """The worker that serves a client now. DeploymentError when that cannot be seen."""
        return self.deployment.serving_worker(self.client(name).request_id)

    def leave(self, name: str) -> None:
        """The client closes its connection while a worker is seen to generate for it.

        FaultError when it had its answer before: then nothing was cancelled.
        """
        client = self.client(name)
        worker = self.worker_of(name)
        eventually(
            lambda: self.counted(BEGUN_ANSWERS) >= len(self.clients),
            within=10,
            describe=f"the answer of the {name} has begun",
            error=DeploymentError,
        )
        if client.record.stream:
            client.wait_for_tokens(TOKENS_BEFORE_LEAVING)
        client.cancel()
        if client.record.status != "cancelled" or client.cancelled_at is None:
            raise FaultError(f"the {name} could not leave early: its request was already {client.record.status}")
        self._left = _Left(client.request_id, worker, client.cancelled_at)
        self._marks.append(FaultMark("left", name, client.cancelled_at, client.cancelled_at))

    # Faults.

    def inject(self, fault: Fault) -> None:
        """Do it and see its effect. Unavailable where it cannot be done, FaultError when it did not happen."""
        reason = fault.available(self.target)
        if reason:
            raise Unavailable(reason)
        self._heal.append(fault)
        began = time.monotonic()
        fault.inject()
        self.notes[f"{fault.victim} {fault.name}"] = fault.verify()
        self._marks.append(FaultMark(fault.name, fault.victim, began, began))

    def strike_worker_of(self, name: str, fault: Callable[[Component], Fault]) -> None:
        """Strike the worker that serves a client while it does. FaultError when the client had its answer before."""
        worker = self.worker_of(name)
        self.inject(fault(worker))
        ended_at = self.client(name).record.ended_at
        if ended_at is not None and ended_at < self._marks[-1].began_at:
            raise FaultError(f"the {name} had its answer before {worker.name} was struck: nothing can be judged")

    def healed(self) -> None:
        """Take back every fault, last one first. FaultError for those that could not be."""
        failed = []
        while self._heal:
            fault = self._heal.pop()
            try:
                fault.heal()
            except (SpecsError, OSError) as failure:
                failed.append(f"{fault.victim} {fault.name}: {failure}")
        if failed:
            raise FaultError(f"not healed: {'; '.join(failed)}")

    def note(self, what: str, value: object) -> None:
        """Keep a measured value as evidence."""
        self.notes[what] = str(value)

    # Promises that several steps judge.

    def expect_count(self, counter: Counter, expected: int) -> None:
        """A counter has grown by exactly that much; it may take 2 s to get there, and must not go beyond."""

        def reached() -> bool:
            return self.counted(counter) >= expected

        with suppress(NotWithin):
            eventually(reached, within=COUNTED_WITHIN, describe=f"{expected} {counter.what} are counted")
        seen = self.counted(counter)
        assert seen == expected, f"{counter.what}: {seen:g} were counted, not {expected}"

    def expect_abandoned(self, *, within: float) -> None:
        """The worker of the client that left works on its request no longer, by its log and by its metrics."""
        left = self._left
        if left is None:
            raise UsageError("no client has left yet: say so with 'When the client leaves ...'")
        others = sum(client.record.status == "running" for client in self.clients.values())

        def abandoned() -> bool:
            serving = self.deployment.serving_workers(left.request_id)
            busy = in_flight(left.worker.metrics())
            assert not serving, f"{left.worker.name} has not ended the request"
            assert busy <= others, f"{left.worker.name} works on {busy:g} requests, {others} clients are waiting"
            return True

        eventually(abandoned, within=within, describe=f"{left.worker.name} stops working on the request")
        self.notes["the worker was seen to have stopped after"] = f"{time.monotonic() - left.at:.3f} s"

    def expect_served(self, name: str, *, within: float, beside: str) -> None:
        """A newcomer gets its first token in time, while another client still holds its own slot.

        FaultError when that one had its answer before: then the newcomer may have had its slot.
        """
        newcomer = self.send(name, Ask(tokens=5, chat=False, stream=True))
        newcomer.wait_for_tokens(1, within=within)
        if beside in self.clients and self.client(beside).record.status != "running":
            raise FaultError(f"the {beside} had its answer before the {name} was served: the slot may be its")

    def ended_after_fault(self, name: str, *, within: float) -> RequestRecord:
        """The client's record, which must end within that many seconds of the last fault."""
        if not self._marks:
            raise UsageError("nothing was done to the deployment yet: begin with a 'When'")
        elapsed = time.monotonic() - self._marks[-1].began_at
        record = self.client(name).finished(within=max(0.0, within - elapsed))
        if record.ended_at is not None:
            self.notes[f"the {name} was told after"] = f"{record.ended_at - self._marks[-1].began_at:.3f} s"
        return record

    # The end.

    def finish(self, *, passed: bool) -> None:
        """Heal, end what still runs, keep the evidence, give the deployment back; for reuse only if all went well."""
        try:
            self.healed()
        finally:
            for client in self.clients.values():
                client.cancel()
            self._keep_evidence()
            if self._deployment:
                deployment, self._deployment = self._deployment, None
                self.target.release(deployment, reuse=passed)

    def _keep_evidence(self) -> None:
        evidence = Evidence(self.folder)
        if self.clients:
            records = [dataclasses.replace(one.record, client=name) for name, one in self.clients.items()]
            evidence.keep_requests(records, self._marks, begun=self.begun)
        if self.notes:
            evidence.keep_measured(self.notes)
        if self._deployment and self._counts:
            evidence.keep_deployment(self._deployment, before=self._counts.before)
