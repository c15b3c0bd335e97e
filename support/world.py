"""What one scenario works with: a deployment, clients, faults, and the evidence of it all."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.checkers.base import ValidationContext
from support.counts import BEGUN_ANSWERS, Counter, Counts, engine_running
from support.departures import LISTENS_ON, Departure, hang_up
from support.deployment import Component, Deployment, FarClient, Target
from support.errors import DeploymentError, FaultError, LeftOut, NotWithin, Unavailable, UsageError
from support.evidence import Evidence
from support.faults import Fault, Stage, kind
from support.faults.journal import Journal
from support.faults.kill import Kill
from support.faults.partition import CutOff, obstruction
from support.gpu_monitor import GpuMonitor
from support.phrases import Ask
from support.recording import outcome
from support.report.timeline import FaultMark
from support.requests import CancellableRequest
from support.scenarios import Failure, Load
from support.settings import Settings
from support.spec import DeploymentSpec, Role
from support.under_load import UnderLoad
from support.victims import victims
from support.waiting import eventually
from support.wishes import wish

TOKENS_BEFORE_LEAVING = 10
"""Of a stream; of a short one a quarter."""
STANDARD, OVERFLOW = 2.0, 3.0
"""Seconds of load before anything is done, and while it lasts."""
RECOVERY = 3.0
"""Seconds that a load goes on after the last failure was taken back."""
SPARED = 2.4
"""Seconds in which Dynamo sends nothing to a worker that was just lost (1.4.2: 2.6)."""
SETTLED_WITHIN = 2.0
"""Seconds that a deployment may take, after a scenario, until nothing is in flight."""


@dataclass(frozen=True)
class Left:
    """A client that left: its request, the worker that served it, and when (CLOCK_MONOTONIC)."""

    request_id: str
    worker: Component
    at: float


class World:
    """One per scenario; steps reach it as `context.world`."""

    def __init__(self, *, settings: Settings, target: Target, folder: Path) -> None:
        """folder: for its evidence."""
        self.settings = settings
        self.target = target
        self.folder = folder
        self.begun = time.monotonic()
        self.clients: dict[str, CancellableRequest] = {}
        self.explained = set[str]()
        """Components that may end by themselves: what they ended for was expected."""
        self.far: dict[str, FarClient] = {}
        """Where clients stand that have a link of their own."""
        self.notes: dict[str, str] = {}
        """Measured values for the report, by what was measured."""
        self._deployment: Deployment | None = None
        self._counts: Counts | None = None
        self.left: Left | None = None
        """The client that left last."""
        self._queued: set[str] = set()
        self.struck_crowd: list[str] = []
        """Those of a crowd whose answers ran on the struck worker."""
        self.journal = Journal(target)
        self._load: UnderLoad | None = None
        self._monitor: GpuMonitor | None = None

    # A deployment.

    def deploy(self, **wanted: object) -> None:
        """A ready deployment of what the scenario asks for and, where it does not say, of the run's settings.

        LeftOut where the target cannot have such a deployment.
        """
        if self._deployment:
            raise UsageError("the scenario has a deployment already: it can ask for one only")
        settings = self.settings
        defaults = {"engine": settings.engine, "request_plane": settings.request_plane, "dynamo": settings.dynamo}
        spec = DeploymentSpec(**(defaults | wanted))  # type: ignore[arg-type]  # checked by the spec
        if reason := self.target.unavailable(spec):
            raise LeftOut(reason)
        self._deployment = self.target.deployment(spec)
        self._counts = Counts(list(self._deployment.components.values()))

    @property
    def deployment(self) -> Deployment:
        if self._deployment is None:
            raise UsageError("the scenario has no deployment yet: begin with 'Given a ... deployment'")
        return self._deployment

    def counted(self, counter: Counter) -> float:
        """By how much a counter has grown since the scenario began. Silent when nobody can say."""
        return (self._counts or Counts(list(self.deployment.components.values()))).grown(counter)

    # Clients.

    def send(self, name: str, ask: Ask, request: CancellableRequest | None = None) -> CancellableRequest:
        """A new client of that name asks. request: with this one, not sent yet, as a client does that is special."""
        if name in self.clients:
            raise UsageError(f"the scenario has a {name!r} already")
        self.clients[name] = ask.of(self.deployment, request)
        return self.clients[name]

    def send_beside(self, name: str, ask: Ask, other: str) -> CancellableRequest:
        """A new client asks, by the worker's id, for the one that serves another client."""
        address = self.worker_of(other).address
        (wanted,) = [one.id for one in self.deployment.instances() if one.address == address]
        return self.send(name, dataclasses.replace(ask, worker=wanted))

    def send_wish(self, name: str, ask: Ask, wished: str) -> CancellableRequest:
        """A new client asks and wishes for something more, one of `support.wishes.WISHES`."""
        return self.send(name, dataclasses.replace(ask, wishes=wish(wished)))

    def client(self, name: str) -> CancellableRequest:
        """The client of that name."""
        try:
            return self.clients[name]
        except KeyError:
            raise UsageError(f"the scenario has no {name!r}: it has {', '.join(self.clients) or 'no client'}") from None

    def send_from_afar(self, name: str, ask: Ask) -> FarClient:
        """The same of a client with a link of its own. LeftOut where none can have that."""
        with _or_left_out():
            self.far[name] = self.deployment.far_client(name)
        self.send(name, ask, CancellableRequest(socket_of=self.far[name].socket))
        return self.far[name]

    def queue(self, name: str, ask: Ask) -> CancellableRequest:
        """A new client asks when all others are being answered or wait, and its request has reached a worker."""
        self._until_answered(len(self.clients) - len(self._queued))
        client = self.send(name, ask)
        self._queued.add(name)
        eventually(
            lambda: self.deployment.reached_workers(client.request_id),
            within=5,
            describe=f"the request of the {name} has reached a worker",
            error=DeploymentError,
            last_seen=lambda: f"{outcome(client.record)}; {self.deployment.traces(client.request_id)}",
        )
        return client

    def worker_of(self, name: str) -> Component:
        """The worker that serves a client now. DeploymentError when that cannot be seen."""
        client = self.client(name)
        return self.deployment.serving_worker(client.request_id, last_seen=lambda: outcome(client.record))

    def worker_with(self, name: str, role: Role) -> Component:
        """The worker of that role that has a client's request now. DeploymentError when none has it within 5 s."""
        client = self.client(name)
        return eventually(
            lambda: [one for one in self.deployment.serving_workers(client.request_id) if one.role == role],
            within=5,
            describe=f"the request of the {name} is at a {role} worker",
            error=DeploymentError,
            last_seen=lambda: outcome(client.record),
        )[0]

    def worker_beginning(self, name: str, role: Role) -> Component:
        """The same, and its engine has the request, and a client that streams the head of its answer.

        Its log is a moment ahead of that, and so long the frontend has not heard of the worker: who leaves then
        is counted as having left twice (seen in 1.4.2). Of a prefill worker only the log can be seen: its engine is
        done in no time, and heads are sent after it.
        """
        worker, client = self.worker_with(name, role), self.client(name)
        if role != "prefill":
            eventually(
                lambda: engine_running(worker.metrics()) and (client.record.headers_at or not client.record.stream),
                within=5,
                describe=f"{worker.name} has begun the answer of the {name}",
                error=DeploymentError,
                last_seen=lambda: outcome(client.record),
            )
        return worker

    def leave(self, name: str, how: Departure = hang_up) -> None:
        """The client leaves while a worker is seen to generate for it.

        FaultError when it had its answer before: then nothing was cancelled. DeploymentError when one that should wait
        for its turn did not have to.
        """
        client = self.client(name)
        worker = self.worker_of(name)
        self._until_answered(len(self.clients) - len(self._queued))
        if client.record.stream:
            client.wait_for_tokens(min(TOKENS_BEFORE_LEAVING, client.record.max_tokens // 4))
        for other in self._queued:
            if self.client(other).record.chunks:
                raise DeploymentError(f"the {other} did not have to wait for its turn: nothing can be judged")
        self.part(name, worker, how)

    def part(self, name: str, worker: Component, how: Departure = hang_up) -> None:
        """The client leaves now. worker: that has its request. FaultError when it had its answer before."""
        client = self.client(name)
        before = client.record
        client.cancel(how)
        if before.status != "running" or (how not in LISTENS_ON and client.cancelled_at is None):
            raise FaultError(f"the {name} could not leave early: its request was already {client.record.status}")
        self.gone(name, worker, at=client.cancelled_at or time.monotonic())

    def gone(self, name: str, worker: Component, *, at: float) -> None:
        """The client is not there any more, since then (CLOCK_MONOTONIC)."""
        self.left = Left(self.client(name).request_id, worker, at)
        self.journal.add(FaultMark("left", name, at, at))

    def _until_answered(self, count: int) -> None:
        eventually(
            lambda: self.counted(BEGUN_ANSWERS) >= count,
            within=10,
            describe=f"{count} answers have begun",
            error=DeploymentError,
        )

    # Faults.

    def strike_worker_of(self, name: str, fault: Callable[[Component], Fault], *beside: Fault) -> None:
        """Strike the worker that serves a client while it does. FaultError when the client had its answer before.

        beside: further faults at the same moment.
        """
        worker = self.worker_of(name)
        self.journal.inject(fault(worker), *beside)
        ended_at = self.client(name).record.ended_at
        if ended_at is not None and ended_at < self.struck_at:
            raise FaultError(f"the {name} had its answer before {worker.name} was struck: nothing can be judged")

    def heal_after(self, seconds: float) -> None:
        """Take back what was done when it has lasted so long, by the clock of the last fault."""
        never = threading.Event()
        never.wait(seconds - (time.monotonic() - self.struck_at))
        self.journal.heal()

    def cutting(self, cut: Mapping[str, str]) -> Callable[[Component], Fault]:
        """What cuts a worker off, as `CutOff` takes its parameters. LeftOut where nobody can be cut off."""

        def done_to(worker: Component) -> Fault:
            with _or_left_out():
                return CutOff(self.deployment, worker, off=cut["off"], how=obstruction(cut))

        return done_to

    def chase(self, name: str, *, times: int, tokens: int = 5) -> None:
        """Kill the worker that serves a client, so many times, each after so many more tokens or when it has ended.

        FaultError when the client's answer ended before the last one, or when not all of them fell into the time in
        which Dynamo spares a worker that was just lost: after it, an attempt to reach the first one counts, too.
        """
        client, struck = self.client(name), []
        for _ in range(times):
            client.wait_for_tokens(len(client.record.chunks) + tokens)
            self.strike_worker_of(name, Kill)
            struck.append(self.struck_at)
        if (took := struck[-1] - struck[0]) > SPARED:
            raise FaultError(f"the {times} kills took {took:.1f} s, more than {SPARED:g} s: nothing can be judged")

    @property
    def struck_at(self) -> float:
        """When the last fault began (CLOCK_MONOTONIC)."""
        if not self.journal.marks:
            raise UsageError("nothing was done to the deployment yet: begin with a 'When'")
        return self.journal.marks[-1].began_at

    @property
    def done_at(self) -> float:
        """When the last fault was there for certain (CLOCK_MONOTONIC)."""
        struck_at = self.struck_at
        return self.journal.marks[-1].done_at or struck_at

    # A load.

    def begin_load(self, load: Load) -> None:
        """Clients begin to ask, and go on until the scenario judges what they saw."""
        if self._load:
            raise UsageError("the scenario has a load already: it can have one only")
        title = self.folder.name.replace("-", " ")
        self._load = UnderLoad(title, self.deployment, self.journal, load, self.folder / "load")
        self._load.begin()

    def strike(self, failure: Failure) -> None:
        """Do this now, without a load, and take it back when it has lasted. LeftOut where it cannot be done."""
        stage = Stage(self.deployment, None, self.folder)
        struck = victims(self.deployment, failure.target)
        with _or_left_out():
            self.journal.inject(*kind(failure.type).of(stage, struck, failure.parameters))
        if failure.lasts is not None:
            self.heal_after(failure.lasts)

    def strike_under_load(self, failures: Sequence[Failure]) -> None:
        """Do this to the deployment once there is a baseline, and take it back after `OVERFLOW` seconds.

        LeftOut where it cannot be done.
        """
        with _or_left_out():
            self.load.strike(failures, standard=STANDARD, overflow=OVERFLOW)

    @property
    def under_load(self) -> bool:
        return self._load is not None

    @property
    def load(self) -> UnderLoad:
        if self._load is None:
            raise UsageError("the scenario has no load yet: say who asks, and how often")
        return self._load

    def recovered(self, *, within: float, since: float | None = None) -> ValidationContext:
        """As `loaded`, after the load went on until it was answered as before, at most for so many seconds."""
        self.load.recovered(within=within, since=since)
        return self.load.finish(recovery=0.0)

    def loaded(self) -> ValidationContext:
        """What the clients saw, the load being over. The first call goes on for `RECOVERY` seconds and ends it."""
        return self.load.finish(recovery=RECOVERY)

    # GPUs.

    def monitor_gpus(self) -> None:
        """A GPU monitor reads the kernel's log from now on. LeftOut where nobody may."""
        if reason := self.target.kernel_elsewhere():
            raise LeftOut(reason)
        with _or_left_out():
            self._monitor = GpuMonitor()

    @property
    def monitor(self) -> GpuMonitor:
        if self._monitor is None:
            raise UsageError("the scenario has no GPU monitor yet: begin with 'Given a GPU monitor ...'")
        return self._monitor

    def note(self, what: str, value: object) -> None:
        """Keep a measured value as evidence."""
        self.notes[what] = str(value)

    # The end.

    def finish(self, *, passed: bool) -> None:
        """Heal, end what still runs, keep the evidence, give the deployment back.

        DeploymentError for a scenario that passed although something else than its faults happened: a component that
        ended by itself, a request that is still in flight when its client is gone.
        """
        with ExitStack() as ending:  # last one first, and each of them whatever the others say
            if self._deployment:
                ending.callback(self._give_back, self._deployment, passed=passed)
            ending.callback(self._keep_evidence)
            for client in self.clients.values():
                ending.callback(client.cancel)
            if self._load:
                ending.callback(self._load.end)
            if self._monitor:
                ending.callback(self._monitor.close)
            ending.callback(self.journal.heal)

    def _give_back(self, deployment: Deployment, *, passed: bool) -> None:
        # The mocker of 1.4.2 goes on generating for a client that has left, and nothing tells when it is done.
        busy_in_secret = self.left is not None and deployment.spec.engine == "mocker"
        # What was sent to a worker that did not hear NATS is delivered long after that, when TCP tries again.
        sent_in_vain = deployment.spec.request_plane == "nats" and bool(self.journal.evidence)
        as_good_as_new = False
        try:
            complaints = self._complaints(deployment) if passed else []
            as_good_as_new = passed and not (complaints or busy_in_secret or sent_in_vain)
        finally:
            self.target.release(deployment, reuse=as_good_as_new)
        if complaints:
            raise DeploymentError(f"the promises were kept, but {'; '.join(complaints)}")

    def _complaints(self, deployment: Deployment) -> list[str]:
        struck = self.explained.union(*(mark.target.split(", ") for mark in self.journal.marks))
        by_itself = [f"{name} {what}" for name, what in deployment.casualties().items() if name not in struck]
        if by_itself:
            return by_itself
        busy: dict[str, float] = {}

        def idle() -> bool:
            nonlocal busy
            busy = deployment.in_flight(may_be_silent=deployment.casualties())
            return not busy

        try:
            eventually(idle, within=SETTLED_WITHIN, describe="nothing is in flight")
        except NotWithin as still:
            return [f"{name} still works on {count:g} requests" for name, count in busy.items()] or [str(still)]
        return []

    def _keep_evidence(self) -> None:
        evidence = Evidence(self.folder)
        if self.clients:
            records = [dataclasses.replace(one.record, client=name) for name, one in self.clients.items()]
            evidence.keep_requests(records, self.journal.marks, begun=self.begun)
        if self._load:
            evidence.keep_load(self._load.folder, title=self.folder.name.replace("-", " "))
        if measured := self.journal.evidence | self.notes:
            evidence.keep_measured(measured)
        if self._deployment and self._counts:
            evidence.keep_deployment(self._deployment, before=self._counts.before)


@contextmanager
def _or_left_out() -> Iterator[None]:
    """What cannot be had here ends the scenario, without a verdict."""
    try:
        yield
    except Unavailable as reason:
        raise LeftOut(str(reason)) from reason
