"""A deployment under load: its baseline (STANDARD), what is done to it (OVERFLOW), and what it is after (RECOVERY).

From Python:

    context = run(scenario, target, log_dir)
    verdicts = judge([SuccessRateChecker(), NoTokenLostChecker()], context)
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from support.checkers.base import ValidationContext, Vital
from support.counts import CANCELLATIONS, MIGRATIONS, REJECTIONS, REQUESTS, SUCCEEDED, Counts
from support.deployment import Deployment, Target
from support.errors import DeploymentError, FaultError, NotWithin, UsageError
from support.etcd_looks import EtcdKeeper
from support.faults import Fault, Stage, kind
from support.faults.journal import Journal
from support.load.plan import Fixed, Lengths, LoadPlan
from support.load.run import LoadRun, Progress
from support.marks import Fault as FaultInMarks
from support.marks import Marks, Phase
from support.results import STEADY_WINDOW, Records, Results
from support.roster import RosterKeeper, serving
from support.sampling import FILE, Sampler, sample
from support.scenarios import Crossing, Failure, Load, Scenario
from support.spec import GENERATING, DeploymentSpec
from support.victims import victims
from support.waiting import eventually, first_answer, scaled

BASELINE_REQUESTS = 10
"""That must have ended before anything is done; else there is nothing to compare with."""
TRIGGERED_WITHIN = 60.0
"""Seconds in which a failure's time must come."""
SETTLED_WITHIN = 5.0
"""Seconds that a deployment may take, after its load, until nothing is in flight."""
_COUNTED = {
    "migrations_total": MIGRATIONS,
    "rejections_total": REJECTIONS,
    "cancellations_total": CANCELLATIONS,
    "requests_total": REQUESTS,
    "requests_succeeded": SUCCEEDED,
}
_never = threading.Event()


class UnderLoad:
    """One load on one deployment, from its begin to its results. Faults are done through the journal, which heals."""

    def __init__(self, name: str, deployment: Deployment, journal: Journal, load: Load, folder: Path) -> None:
        """folder: for records, marks and samples; loads that are failures themselves get folders beside it."""
        self.name = name
        self.deployment = deployment
        self.folder = folder
        self._journal = journal
        self._plan = _plan(load, deployment)
        self._load = LoadRun(self._plan, folder)
        self._phases: list[tuple[str, float]] = []
        self._before: dict[str, Vital] = {}
        self._context: ValidationContext | None = None
        self._ended = False
        self._sampler: Sampler | None = None
        self._roster: RosterKeeper | None = None
        self._etcd: EtcdKeeper | None = None
        self._as_before_at = float("inf")

    def begin(self) -> None:
        """Start it; the phase STANDARD begins. Returns when the first request is about to go out."""
        components = self.deployment.of_role("frontend", *GENERATING)
        self._before = {component.name: sample(component) for component in components}
        self._serving = first_answer(
            lambda: serving(self.deployment),
            within=SETTLED_WITHIN,
            describe="the frontend tells whom it knows",
            error=DeploymentError,
        )
        self._written = {component.name: len(component.logs()) for component in components}
        self._counts = Counts(list(self.deployment.components.values()))
        self.folder.mkdir(parents=True, exist_ok=True)
        self._sampler = Sampler(self.deployment, self.folder / FILE, clock_offset=self._load.clock_offset)
        self._sampler.start()
        self._roster = RosterKeeper(self.deployment, self.folder, clock_offset=self._load.clock_offset)
        self._roster.start()
        self._etcd = self._looking_at_etcd()
        try:
            self._load.start()
        except BaseException:
            self.end()
            raise
        self._enter("STANDARD")

    def strike(self, failures: Sequence[Failure], *, standard: float, overflow: float) -> None:
        """Do them at their times, once there is a baseline; go on for `overflow` seconds, and take them back.

        FaultError for one whose time never came, or that had no effect: no promise can be judged then.
        """
        if not failures:
            raise UsageError(f"nothing is to be done in {self.name!r}: say at least one failure")
        self._do([one for one in failures if one.at_phase == "STANDARD"])
        self._baseline(standard)
        self._do([one for one in failures if one.at_phase in (None, "OVERFLOW")], phase="OVERFLOW")
        if all(one.lasts is None for one in failures):
            self.last(scaled(overflow))
        self._journal.heal()
        self._enter("RECOVERY")
        self._do([one for one in failures if one.at_phase == "RECOVERY"])

    def last(self, seconds: float, *, until: Callable[[], bool] = lambda: False) -> None:
        """Let the load go on for so long (not scaled), or until it is done. DeploymentError when it breaks.

        until: why it need not go on any longer.
        """

        def over() -> bool:
            return self._done() or until()

        with suppress(NotWithin):
            eventually(over, within=seconds / scaled(1), describe="the load is done", error=NotWithin, interval=0.05)

    def recovered(self, *, within: float, since: float | None = None) -> None:
        """Let the load go on until it is answered as before the last fault, or for so many seconds after it.

        since: look only at what comes after (CLOCK_MONOTONIC), and count from there; None: from the last fault's begin.
        """
        begun = self._journal.marks[-1].began_at if self._journal.marks else self._phases[0][1]
        at = begun if since is None else since
        left = within + (at - time.monotonic()) / scaled(1) + STEADY_WINDOW
        self._write_marks()
        with suppress(NotWithin):  # what was seen is for RecoveryTimeChecker to say
            eventually(
                lambda: self._as_before(at),
                within=max(left, 0.0),
                describe="requests are answered as before",
                interval=0.25,
            )

    def _as_before(self, at: float) -> bool:
        """Of requests that still wait nobody knows how they will end: only what was due before them counts. What was
        sent while a fault was there has to have ended, too: Dynamo tries a worker that cannot be reached yet again."""
        offset, until = self._load.clock_offset, self._load.progress.oldest
        there = max((mark.ended_at for mark in self._journal.marks if mark.ended_at is not None), default=at)
        if until < there or not Records(self.folder).as_before(at + offset, until=until + offset):
            return False
        self._as_before_at = min(until, time.monotonic()) + offset
        return True

    def finish(self, *, recovery: float) -> ValidationContext:
        """Go on for `recovery` seconds, end the load, and give what was seen. Called again, it gives the same.

        A load of so many requests goes on until each of them has ended.
        """
        if self._context is None:
            self.last(scaled(max(recovery, self._whole())))
            self._load.stop()
            self._context = self._seen()
        return self._context

    def _whole(self) -> float:
        """Seconds that a load of so many requests takes at most; 0 when it goes on until it is stopped."""
        plan, each = self._plan, self._plan.deadline or 0.0
        if plan.rate is not None and plan.requests is not None:
            return 2 * plan.requests / plan.rate + each  # they come at random, so later than on average
        return (plan.requests_per_client or 0) * each

    def end(self) -> None:
        """End what still runs; safe at any time, also twice."""
        if self._ended:
            return
        self._ended = True
        with ExitStack() as ending:
            for looking in (self._sampler, self._roster, self._etcd):
                if looking:
                    ending.callback(looking.stop)
            ending.callback(self._load.abort)

    # Inside.

    def _looking_at_etcd(self) -> EtcdKeeper | None:
        if self.deployment.spec.etcd_members == 1:
            return None
        keeper = EtcdKeeper(self.deployment, self.folder, clock_offset=self._load.clock_offset)
        keeper.start()
        return keeper

    def _do(self, failures: Sequence[Failure], *, phase: str | None = None) -> None:
        """One group after the other; the phase begins when the first one's time has come."""
        for together in _groups(failures):
            self._await(together[0])
            chosen = [(failure, self._faults(failure)) for failure in together]
            if phase and self._phases[-1][0] != phase:
                self._enter(phase)
            self._journal.inject(*(fault for _, faults in chosen for fault in faults))
            self._last(chosen)

    def _enter(self, phase: str) -> None:
        self._phases.append((phase, time.monotonic()))

    def _baseline(self, standard: float) -> None:
        begun = self._phases[0][1]

        def there(now: Progress) -> bool:
            return now.ended >= BASELINE_REQUESTS and time.monotonic() - begun >= scaled(standard)

        self._load.wait_for(
            there, within=TRIGGERED_WITHIN, describe=f"{BASELINE_REQUESTS} requests have ended before anything is done"
        )

    def _await(self, failure: Failure) -> None:
        """Return when the failure's time has come. FaultError when it does not."""
        since = self._journal.marks[-1].began_at if self._journal.marks else self._phases[0][1]

        def come() -> bool:
            if self._done():
                raise FaultError(f"the {failure} was never triggered: the load was over before")
            if failure.trigger_after_requests is not None:
                return self._load.progress.ended >= failure.trigger_after_requests
            if failure.after_seconds is not None:
                return time.monotonic() - since >= failure.after_seconds
            if failure.when_metric is not None:
                crossing = Crossing.parse(failure.when_metric)
                value = self._sampler.value(crossing.series) if self._sampler else None
                return value is not None and crossing.met(value)
            return True

        within = max(TRIGGERED_WITHIN, 2 * (failure.after_seconds or 0))
        eventually(
            come,
            within=within,
            describe=f"the time of the {failure} has come",
            error=FaultError,
            last_seen=lambda: f"{self._load.progress}: it was never triggered",
        )

    def _faults(self, failure: Failure) -> list[Fault]:
        stage = Stage(self.deployment, self._plan, self.folder.parent)
        return kind(failure.type).of(stage, victims(self.deployment, failure.target), failure.parameters)

    def _last(self, done: Sequence[tuple[Failure, Sequence[Fault]]]) -> None:
        """Each for its time, from now on. With the last one ends whatever was to last as long as the others."""
        begun = time.monotonic()
        timed = sorted(
            ((failure.lasts, faults) for failure, faults in done if failure.lasts is not None), key=lambda each: each[0]
        )
        for lasts, faults in timed:
            self.last(max(lasts - (time.monotonic() - begun), 0.0))
            self._journal.heal(*(faults if lasts < timed[-1][0] else ()))

    def _done(self) -> bool:
        return self._load.done

    def _seen(self) -> ValidationContext:
        self._write_marks()
        with suppress(NotWithin):  # what is left is for NoLeakChecker to say
            eventually(self._settled, within=SETTLED_WITHIN, describe="nothing is in flight")
        self.end()
        components = self.deployment.of_role("frontend", *GENERATING)
        return ValidationContext(
            name=self.name,
            log_dir=self.folder,
            loaded=Results(self.folder),
            journal=self._journal,
            counted=self._counted(),
            before=self._before,
            after={one.name: sample(one) for one in components if one.running or not self._struck(one.name)},
            serving=self._serving,
            logs=lambda: {one.name: one.logs()[self._written.get(one.name, 0) :] for one in components},
            as_before_at=self._as_before_at,
        )

    def _struck(self, name: str) -> bool:
        return any(name in mark.target.split(", ") for mark in self._journal.marks)

    def _settled(self) -> bool:
        return not self.deployment.in_flight()

    def _counted(self) -> dict[str, float]:
        try:
            return {name: self._counts.grown(counter) for name, counter in _COUNTED.items()}
        except DeploymentError:  # a frontend that was killed has taken its counters along; checkers then find no data
            return {}

    def _write_marks(self) -> None:
        offset = self._load.clock_offset
        ends = [*(at for _, at in self._phases[1:]), time.monotonic()]
        phases = [Phase(name, at + offset, end + offset) for (name, at), end in zip(self._phases, ends, strict=True)]
        faults = [
            FaultInMarks(
                name=mark.name,
                target=mark.target,
                begin=mark.began_at + offset,
                end=None if mark.ended_at is None else mark.ended_at + offset,
                evidence=self._journal.evidence.get(f"{mark.target} {mark.name}", ""),
                slows_clients=mark.slows_clients,
            )
            for mark in self._journal.marks
        ]
        Marks(phases=phases, faults=faults).write(self.folder)


def run(scenario: Scenario, target: Target, log_dir: Path, *, note: Callable[[str], None] = print) -> ValidationContext:
    """Run a scenario: deploy, load, fail, recover. Its context is for `support.checkers.judge`.

    FaultError when a failure did not happen or never had its time. Nothing is left when it returns.
    """
    spec = DeploymentSpec(backend=scenario.backend, **dict(scenario.deployment))
    deployment = target.deployment(spec)
    journal = Journal(target)
    with ExitStack() as ending:
        ending.callback(target.release, deployment, reuse=False)
        ending.callback(journal.heal)
        under_load = UnderLoad(scenario.name, deployment, journal, scenario.load, log_dir / "load")
        ending.callback(under_load.end)
        under_load.begin()
        if scenario.all_failures:
            under_load.strike(scenario.all_failures, standard=scenario.standard, overflow=scenario.overflow)
        context = under_load.finish(recovery=scenario.recovery)
        note(f"{scenario.name}: {context.loaded.overall.requests} requests")
        return context


def _plan(load: Load, deployment: Deployment) -> LoadPlan:
    return LoadPlan(
        base_url=deployment.base_url,
        other_base_urls=tuple(deployment.base_urls[1:]),
        model=deployment.model,
        endpoint="chat/completions" if load.chat else "completions",
        stream=load.stream,
        clients=load.clients,
        requests_per_client=load.requests_per_client,
        rate=load.rate,
        requests=load.requests,
        leaving=load.leaving,
        leaving_after=Lengths(load.leaving_after),
        prompt_tokens=Fixed(load.prompt_tokens),
        max_tokens=Fixed(load.max_tokens),
        deadline=scaled(load.deadline),
        seed=load.seed,
        extra=dict(load.extra),
        continuity=deployment.spec.engine == "counting",
    )


def _groups(failures: Sequence[Failure]) -> Iterator[list[Failure]]:
    """Failures that happen at once, group after group."""
    groups: list[list[Failure]] = []
    for failure in failures:
        if failure.at_once and groups:
            groups[-1].append(failure)
        else:
            groups.append([failure])
    yield from groups
