"""Checkers: what must be true of a load, judged by what clients saw and what Dynamo says of itself.

class MigrationChecker(BaseChecker):
    def check(self, context: ValidationContext) -> bool:
        migrations = context.metrics.get("migrations_total", 0)
        return migrations > 0
"""

from support.checkers.base import (
    BaseChecker,
    NoData,
    ValidationContext,
    Verdict,
    checker,
    expect,
    judge,
)
from support.checkers.clients import (
    LatencyChecker,
    NoHungRequestChecker,
    NoSilenceChecker,
    NoTokenLostChecker,
    RecoveryTimeChecker,
    RejectionChecker,
    SuccessRateChecker,
    WholeLoadChecker,
)
from support.checkers.deployment import LogChecker, MetricsConsistencyChecker, MigrationChecker, NoLeakChecker

__all__ = [
    "BaseChecker",
    "LatencyChecker",
    "LogChecker",
    "MetricsConsistencyChecker",
    "MigrationChecker",
    "NoData",
    "NoHungRequestChecker",
    "NoLeakChecker",
    "NoSilenceChecker",
    "NoTokenLostChecker",
    "RecoveryTimeChecker",
    "RejectionChecker",
    "SuccessRateChecker",
    "ValidationContext",
    "Verdict",
    "WholeLoadChecker",
    "checker",
    "expect",
    "judge",
]
