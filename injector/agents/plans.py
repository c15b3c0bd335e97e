"""What a keeper is told: how a fault of processes is kept up, and how it is ended."""

from __future__ import annotations

from typing import TypedDict


class Cycle(TypedDict):
    period: float
    """Seconds."""
    share: float
    """Of each period in which the processes are frozen, from its beginning."""


class Plan(TypedDict):
    leaders: list[tuple[int, int]]
    """Of the sessions that it is about: number and start time."""
    frozen: bool
    """They are to run again at the end."""
    cycle: Cycle | None
    limits: dict[str, int]
    """Soft limits of address space to put back, by number of process; "" for those that came later."""
    limited: list[int]
    """The limits that the fault has set: whoever has another one has it from somebody else."""
