"""Faults: one small class in a file of its own each, with `name`, `available`, `inject`, `verify` and `heal`."""

from __future__ import annotations

from typing import Protocol

from support.deployment import Target


class Fault(Protocol):
    """Something that is done to a deployment on purpose. `heal` is registered before `inject` is called."""

    name: str
    """What it does, as the report says it: "killed"."""
    victim: str
    """Name of the component that it strikes."""

    def available(self, target: Target) -> str | None:
        """Why it cannot be done there, in one sentence; None when it can."""

    def inject(self) -> None:
        """Do it. FaultError when it cannot be done."""

    def verify(self) -> str:
        """The evidence of its effect, in one sentence. FaultError when it had none."""

    def heal(self) -> None:
        """Take it back as far as it can be taken back. Safe to call twice, and when it was never injected."""
