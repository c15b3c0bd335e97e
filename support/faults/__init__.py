"""Faults: one small class in a file of its own each, with `name`, `available`, `inject`, `verify` and `heal`.

A kind of fault is found by its name: a module put into this package that holds a subclass of `Fault` with `kinds` is
all that it takes for a `support.scenarios.Failure`, and so for a feature, to ask for it.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from support.deployment import Component, Deployment, Target
from support.errors import UsageError
from support.load.plan import LoadPlan
from support.spec import near_miss


@dataclass(frozen=True)
class Stage:
    """What a failure is done to: a deployment and the load on it."""

    deployment: Deployment
    plan: LoadPlan | None
    """Of the load that runs, if one does."""
    folder: Path
    """Below which a failure that is a load itself keeps its records, in a folder of its own."""

    @property
    def load(self) -> LoadPlan:
        """UsageError when there is none."""
        if self.plan is None:
            raise UsageError("this failure comes on top of a load, and there is none: say who asks, and how often")
        return self.plan


class Fault(ABC):
    """Something that is done to a deployment on purpose. `heal` is registered before `inject` is called."""

    kinds: ClassVar[tuple[str, ...]] = ()
    """Names by which a `Failure` asks for it."""
    name: str
    """What it does, as the report says it: "killed"."""
    victim: str
    """Name of the component that it strikes, or of what else."""
    lasting = False
    """It is there until it is healed; else it just happens."""
    slows_clients = False
    """It takes from the clients what it takes from the deployment: that they are late then is no sign of a machine
    that is too busy to judge."""

    @classmethod
    def of(cls, stage: Stage, victims: Sequence[Component], parameters: Mapping[str, str]) -> list[Fault]:
        """The faults that do this to these victims. UsageError for a parameter that the kind does not know."""
        refuse_unknown(cls.kinds[0], parameters)
        return [cls(victim) for victim in victims]  # type: ignore[call-arg]  # a kind with another constructor overrides it

    def available(self, target: Target) -> str | None:
        """Why it cannot be done there, in one sentence; None when it can."""
        return None

    @abstractmethod
    def inject(self) -> None:
        """Do it. FaultError when it cannot be done."""

    @abstractmethod
    def verify(self) -> str:
        """The evidence of its effect, in one sentence. FaultError when it had none."""

    def heal(self) -> None:  # noqa: B027  # what cannot be taken back has nothing to do here
        """Take it back as far as it can be taken back. Safe to call twice, and when it was never injected."""


def kind(name: str) -> type[Fault]:
    """The kind of that name. UsageError that lists what there is."""
    there = kinds()
    if name not in there:
        hint = near_miss(name, there)
        raise UsageError(f"there is no kind of failure {name!r}: {hint}There are {', '.join(sorted(there))}")
    return there[name]


def kinds() -> dict[str, type[Fault]]:
    """Every kind by each of its names: of all modules of this package, and of those that the user has imported."""
    _import_modules()
    return {name: found for found in _below(Fault) for name in found.kinds}


@functools.cache
def _import_modules() -> None:
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")


def refuse_unknown(name: str, parameters: Mapping[str, str], *known: str) -> None:
    """UsageError for a parameter that is none of `known`."""
    for parameter in parameters:
        if parameter not in known:
            says = f"it takes {', '.join(known)}" if known else "it takes none"
            raise UsageError(f"the failure {name!r} has no parameter {parameter!r}: {says}")


def whole_number(name: str, parameter: str, text: str) -> int:
    """A parameter's value. UsageError when it is no whole number."""
    if not text.isdigit():
        raise UsageError(f"{parameter} of the failure {name!r} is {text!r}: it must be a whole number")
    return int(text)


def _below(parent: Any) -> list[type[Fault]]:
    return [one for child in parent.__subclasses__() for one in (child, *_below(child))]
