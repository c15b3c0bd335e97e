"""A worker becomes slow while it serves: a throttled GPU, a noisy neighbour. It answers everything, ten times later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from support.counts import TOKEN_WAITS
from support.deployment import Component, Target
from support.errors import FaultError
from support.faults import Fault, Stage, refuse_unknown
from support.spec import DeploymentSpec
from support.waiting import eventually

SEEN_WITHIN = 10.0
"""Seconds in which its own metrics must show it."""
SLOW = 5.0
"""Times the usual wait between tokens: what is above is slow. Ten times is what is done."""
TOKENS = 10
"""Over which it is measured, at least."""


class Slow(Fault):
    """Its counting engine gives each request one tenth of its tokens a second, until it is healed."""

    kinds = ("slow", "throttle")
    name = "slow"
    lasting = True

    def __init__(self, component: Component, spec: DeploymentSpec) -> None:
        self.victim = component.name
        self._component = component
        self._spec = spec
        self._before = (0.0, 0.0)

    @classmethod
    def of(cls, stage: Stage, victims: Sequence[Component], parameters: Mapping[str, str]) -> list[Fault]:
        refuse_unknown(cls.kinds[0], parameters)
        return [cls(victim, stage.deployment.spec) for victim in victims]

    def available(self, target: Target) -> str | None:
        if self._spec.engine == "counting":
            return None
        return f"only the counting engine can be made slow, and this deployment has the {self._spec.engine} engine"

    def inject(self) -> None:
        self._component.slow_down()
        self._before = self._waited()

    def verify(self) -> str:
        usual = 1 / self._spec.tokens_per_second
        seen = eventually(
            lambda: (wait := self._wait()) >= SLOW * usual and wait,
            within=SEEN_WITHIN,
            describe=f"{self.victim} takes {SLOW:g} times as long as usual from token to token",
            error=FaultError,
            interval=0.2,
        )
        return f"{self.victim} takes {1000 * seen:.0f} ms from token to token, usual are {1000 * usual:.0f} ms"

    def heal(self) -> None:
        if self._component.running:
            self._component.speed_up()

    def _wait(self) -> float:
        """Seconds from token to token since it was made slow, by its own metrics; 0 until there are enough tokens."""
        seconds, tokens = self._waited()
        seconds, tokens = seconds - self._before[0], tokens - self._before[1]
        return seconds / tokens if tokens >= TOKENS else 0.0

    def _waited(self) -> tuple[float, float]:
        scrape = self._component.metrics()
        return scrape.total(f"{TOKEN_WAITS}_sum"), scrape.total(f"{TOKEN_WAITS}_count")
