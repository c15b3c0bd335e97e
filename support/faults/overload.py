"""More load than the deployment can serve, and requests that are too long for the model."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from support.deployment import Component
from support.errors import FaultError
from support.faults import Fault, Stage, refuse_unknown, whole_number
from support.load.plan import Fixed, LoadPlan
from support.load.run import LoadRun, Progress

CROWD = "overload"
URGENT = "urgent"
TOO_LONG = "token_overflow"
"""Names of the second loads."""
FELT_WITHIN = 10.0
"""Seconds in which the deployment must be seen to feel it."""


def records_of(name: str, folder: Path) -> Path:
    """The folder of the records of a second load, beside the main load's. folder: the scenario's."""
    return folder / f"load-{name}"


class _MoreLoad(Fault):
    """A second load beside the one that runs, in a folder of its own, until it is healed."""

    lasting = True

    def __init__(self, plan: LoadPlan, folder: Path) -> None:
        self.victim = plan.name.replace("_", " ")
        self.run = LoadRun(plan, records_of(plan.name, folder))
        self._begun = False

    @classmethod
    def _whole_numbers(cls, parameters: Mapping[str, str], **defaults: int) -> dict[str, int]:
        refuse_unknown(cls.kinds[0], parameters, *defaults)
        return {
            name: whole_number(cls.kinds[0], name, parameters.get(name, str(value))) for name, value in defaults.items()
        }

    def inject(self) -> None:
        self._begun = True
        self.run.start()

    def heal(self) -> None:
        if self._begun:
            self._begun = False
            self.run.stop()

    def _until(self, felt: Any, describe: str) -> Progress:
        """FaultError when it is not so in time: the load has no effect."""
        try:
            return self.run.wait_for(felt, within=FELT_WITHIN, describe=describe)
        except AssertionError as failure:
            raise FaultError(str(failure)) from failure


class Overload(_MoreLoad):
    """More than all slots can serve. parameters: max_tokens, and clients (closed loop) or a rate (open loop)."""

    kinds = (CROWD,)
    name = "on top"

    def __init__(self, plan: LoadPlan, folder: Path, slots: int) -> None:
        super().__init__(plan, folder)
        self._slots = slots

    @classmethod
    def of(cls, stage: Stage, victims: Sequence[Component], parameters: Mapping[str, str]) -> list[Fault]:
        spec = stage.deployment.spec
        slots = spec.slots * len(stage.deployment.workers)
        asked = cls._whole_numbers(parameters, clients=4 * slots, max_tokens=100, rate=0)
        plan = dataclasses.replace(
            stage.load,
            name=CROWD,
            clients=asked["clients"],
            rate=asked["rate"] or None,
            requests=None,
            requests_per_client=None,
            max_tokens=Fixed(asked["max_tokens"]),
            seed=stage.load.seed + 1,
        )
        return [cls(plan, stage.folder, slots)]

    def verify(self) -> str:
        seen = self._until(
            lambda now: now.failed > 0 or now.in_flight > self._slots, "the deployment is asked for more than it can"
        )
        return f"{seen.in_flight} requests wait for {self._slots} slots, {seen.failed} were turned away"


class Urgent(_MoreLoad):
    """Clients whose requests are more urgent than the others. parameters: clients, max_tokens, priority."""

    kinds = (URGENT,)
    name = "urgent"

    @classmethod
    def of(cls, stage: Stage, victims: Sequence[Component], parameters: Mapping[str, str]) -> list[Fault]:
        asked = cls._whole_numbers(parameters, clients=1, max_tokens=20, priority=10)
        plan = dataclasses.replace(
            stage.load,
            name=URGENT,
            clients=asked["clients"],
            rate=None,
            requests=None,
            requests_per_client=None,
            max_tokens=Fixed(asked["max_tokens"]),
            seed=stage.load.seed + 1,
            extra={"nvext": {"agent_hints": {"priority": asked["priority"]}}},
        )
        return [cls(plan, stage.folder)]

    def verify(self) -> str:
        seen = self._until(lambda now: now.ended > 0, "an urgent request has ended")
        return f"{seen.ended} urgent requests have ended"


class TokenOverflow(_MoreLoad):
    """Clients whose prompts are longer than the model can take. parameters: clients, prompt_tokens."""

    kinds = (TOO_LONG,)
    name = "with too long prompts"

    @classmethod
    def of(cls, stage: Stage, victims: Sequence[Component], parameters: Mapping[str, str]) -> list[Fault]:
        asked = cls._whole_numbers(parameters, clients=2, prompt_tokens=33_000)
        plan = dataclasses.replace(
            stage.load,
            name=TOO_LONG,
            clients=asked["clients"],
            rate=None,
            requests=None,
            requests_per_client=None,
            prompt_tokens=Fixed(asked["prompt_tokens"]),
            think=0.2,
            seed=stage.load.seed + 1,
        )
        return [cls(plan, stage.folder)]

    def verify(self) -> str:
        seen = self._until(lambda now: now.ended > 0, "requests with too long prompts have ended")
        return f"{seen.ended} such requests have ended, {seen.failed} of them were refused"
