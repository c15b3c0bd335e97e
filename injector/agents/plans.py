"""What a keeper is told: how a fault of processes or of a GPU is kept up, and how it is ended."""

from __future__ import annotations

from typing import Literal, TypedDict


class Cycle(TypedDict):
    period: float
    """Seconds."""
    share: float
    """Of each period in which the processes are frozen, from its beginning."""


Does = Literal["clock", "memory", "burn"]


class Strain(TypedDict):
    """What is done to a GPU."""

    gpu: str
    """Its UUID."""
    address: str
    """Of PCI."""
    does: Does
    """Its clock is locked; its memory is held, or its time used, by the keeper itself."""
    amount: int
    """MHz; bytes that are left free; others that seem to use it."""


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
    strain: Strain | None
