"""The words of the contract: enums as they are answered. Each is accepted in any case."""

from __future__ import annotations

from enum import StrEnum


class Word(StrEnum):
    """Base of those that requests may hold."""

    @classmethod
    def _missing_(cls, value: object) -> Word | None:
        return cls.__members__.get(value.upper()) if isinstance(value, str) else None


class Kind(Word):
    GPU = "GPU"
    NETWORK = "NETWORK"
    PROCESS = "PROCESS"


class GpuFault(Word):
    XID_ERROR = "XID_ERROR"
    THROTTLE = "THROTTLE"
    MEMORY_PRESSURE = "MEMORY_PRESSURE"
    OVERHEAT = "OVERHEAT"
    COMPUTE_OVERLOAD = "COMPUTE_OVERLOAD"


class Severity(Word):
    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"


class PartitionType(Word):
    FRONTEND_WORKER = "FRONTEND_WORKER"
    WORKER_NATS = "WORKER_NATS"
    WORKER_WORKER = "WORKER_WORKER"
    CUSTOM = "CUSTOM"


class Action(Word):
    DROP = "DROP"
    REJECT = "REJECT"


class Direction(Word):
    """Of the packets that are stopped, as the source sees them."""

    BOTH = "BOTH"
    IN = "IN"
    OUT = "OUT"


class ProcessFault(Word):
    KILL = "KILL"
    PAUSE = "PAUSE"
    RESUME = "RESUME"


class Effect(Word):
    """Of an XID, beside its line in the kernel's log."""

    LINE = "LINE"
    APPLICATION = "APPLICATION"


XIDS = (43, 48, 74, 79, 94, 95, 119, 120)
"""Codes that can be injected."""
