"""Scenario, Load, Failure: a deployment under load, and what happens to it, as Dynamo's testing guide writes it.

    scenario = Scenario(
        name="worker_failure_migration",
        backend="vllm",
        load=Load(clients=10, requests_per_client=100, max_tokens=256),
        failure=Failure(type="pod_kill", target="vllm-worker-0", trigger_after_requests=50),
    )

`support.under_load.run` runs one from Python; features say the same in sentences and tables.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from support.errors import UsageError
from support.spec import BACKENDS, Backend, choose

PHASES = ("STANDARD", "OVERFLOW", "RECOVERY")
"""Before any failure; while it lasts; after it."""
_CROSSING = re.compile(r"\s*(\w+)\s*([<>])\s*([0-9.]+)\s*")


@dataclass(frozen=True, kw_only=True)
class Load:
    """What clients ask for. With `rate` they come at their own times (open loop), else each after its last answer."""

    clients: int = 4
    requests_per_client: int | None = None
    """None: until the scenario is over."""
    max_tokens: int = 50
    rate: float | None = None
    """Requests a second, at random times, whether answers come or not."""
    requests: int | None = None
    """Of a rate: how many in all; None: until the scenario is over."""
    leaving: float = 0.0
    """Share of the requests, 0 to 1, whose clients hang up before their answers are whole."""
    leaving_after: str = "uniform 1 10"
    """Tokens that one has received when it does, as `support.load.plan.Lengths` writes it."""
    stream: bool = True
    chat: bool = False
    prompt_tokens: int = 5
    deadline: float = 30.0
    """Seconds after which a client gives an answer up; it is then counted as hung."""
    seed: int = 0
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of the request's body."""

    def __post_init__(self) -> None:
        for name in ("clients", "max_tokens", "prompt_tokens"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} of a load is {getattr(self, name)}: it must be 1 or more")
        for name in ("rate", "deadline", "requests_per_client", "requests"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise UsageError(f"{name} of a load is {value}: it must be above 0")
        if self.rate is not None and self.requests_per_client is not None:
            raise UsageError("a load has either a rate or requests per client: leave one of them out")


@dataclass(frozen=True)
class Crossing:
    """When a sampled value goes beyond a bound: "in_flight > 10"."""

    series: str
    above: bool
    bound: float

    @classmethod
    def parse(cls, text: str) -> Crossing:
        match = _CROSSING.fullmatch(text)
        if not match:
            raise UsageError(
                f"{text!r} is no condition: write a series, < or >, and a number, such as 'in_flight > 10'"
            )
        return cls(match[1], match[2] == ">", float(match[3]))

    def met(self, value: float) -> bool:
        return value > self.bound if self.above else value < self.bound


@dataclass(frozen=True, kw_only=True)
class Failure:
    """What is done on purpose, to whom, and when. Without a time it is done once the baseline is there."""

    type: str
    """Name of a kind (`support.faults.kinds`): "kill" (in the guide: "pod_kill"), "pause", "rolling_restart", ..."""
    target: str = "one worker"
    """Whom: a component's name, or words as "one worker", "every prefill", "2 workers", "the frontend"."""
    trigger_after_requests: int | None = None
    """After so many requests have ended."""
    after_seconds: float | None = None
    """So long after the failure before it, or after the load began; never scaled, as `lasts`."""
    at_phase: str | None = None
    """At the begin of that phase."""
    when_metric: str | None = None
    """When a sampled value goes beyond a bound: "in_flight > 10"."""
    at_once: bool = False
    """Together with the failure before it."""
    lasts: float | None = None
    """Seconds until it is taken back; None: until the phase OVERFLOW ends. What cannot be taken back is not.
    No `timeout_scale` makes it longer: Dynamo's leases and timeouts, for which it is made, stay as they are."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Of the kind, such as {"dynamo": "1.4.2"} of a rolling upgrade."""

    def __post_init__(self) -> None:
        times = [self.trigger_after_requests, self.after_seconds, self.at_phase, self.when_metric]
        said = [time for time in times if time is not None]
        if len(said) + self.at_once > 1:
            raise UsageError(f"the failure {self.type!r} has more than one time: say only one of {said}")
        if self.at_phase is not None:
            choose("phase", self.at_phase, PHASES)
        for name in ("trigger_after_requests", "after_seconds", "lasts"):
            if (getattr(self, name) or 0) < 0:
                raise UsageError(f"{name} of the failure {self.type!r} is {getattr(self, name)}: it must be 0 or more")
        if self.when_metric is not None:
            Crossing.parse(self.when_metric)
        if not self.target.strip():
            raise UsageError(f"the failure {self.type!r} names nobody: say whom it strikes, as 'one worker'")

    def __str__(self) -> str:
        return f"{self.type} of {self.target}"


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A deployment of one backend, its load, what fails, and the phases' lengths in seconds."""

    name: str
    backend: Backend
    load: Load = field(default_factory=Load)
    failure: Failure | None = None
    failures: Sequence[Failure] = ()
    """Several, one after the other (or at once, where they say so). Not together with `failure`."""
    deployment: Mapping[str, Any] = field(default_factory=lambda: {"workers": 2, "migration_limit": 3})
    """Fields of the `DeploymentSpec`."""
    standard: float = 2.0
    overflow: float = 3.0
    recovery: float = 3.0

    def __post_init__(self) -> None:
        choose("backend", self.backend, BACKENDS)
        if not self.name.strip():
            raise UsageError("a scenario needs a name")
        if self.failure and self.failures:
            raise UsageError(f"scenario {self.name!r}: say either failure or failures")
        for name in ("standard", "overflow", "recovery"):
            if getattr(self, name) < 0:
                raise UsageError(
                    f"{name} of scenario {self.name!r} is {getattr(self, name)} seconds: it must be 0 or more"
                )

    @property
    def all_failures(self) -> list[Failure]:
        return [self.failure] if self.failure else list(self.failures)
