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
    AnsweredMeanwhileChecker,
    BegunAnswersChecker,
    LatencyChecker,
    NewcomersHearChecker,
    NoHungRequestChecker,
    NoSilenceChecker,
    NoTokenLostChecker,
    NotReadyChecker,
    OnlyRefusedChecker,
    OtherFrontendsChecker,
    PriorityChecker,
    RecoveryTimeChecker,
    RejectionChecker,
    StruckAnswersChecker,
    SuccessRateChecker,
    ToldChecker,
    WholeLoadChecker,
)
from support.checkers.deployment import (
    LogChecker,
    MetricsConsistencyChecker,
    MigrationChecker,
    NoLeakChecker,
    PeakMemoryChecker,
)
from support.checkers.etcd import (
    ListedChecker,
    NewLeaderChecker,
    NoOldNewsChecker,
    OneLeaderChecker,
    PauseChecker,
    ServedAgainChecker,
)
from support.checkers.workers import OthersLatencyChecker, RisingLatencyChecker, RosterChecker, ShareChecker

__all__ = [
    "AnsweredMeanwhileChecker",
    "BaseChecker",
    "BegunAnswersChecker",
    "LatencyChecker",
    "ListedChecker",
    "LogChecker",
    "MetricsConsistencyChecker",
    "MigrationChecker",
    "NewLeaderChecker",
    "NewcomersHearChecker",
    "NoData",
    "NoHungRequestChecker",
    "NoLeakChecker",
    "NoOldNewsChecker",
    "NoSilenceChecker",
    "NoTokenLostChecker",
    "NotReadyChecker",
    "OneLeaderChecker",
    "OnlyRefusedChecker",
    "OtherFrontendsChecker",
    "OthersLatencyChecker",
    "PauseChecker",
    "PeakMemoryChecker",
    "PriorityChecker",
    "RecoveryTimeChecker",
    "RejectionChecker",
    "RisingLatencyChecker",
    "RosterChecker",
    "ServedAgainChecker",
    "ShareChecker",
    "StruckAnswersChecker",
    "SuccessRateChecker",
    "ToldChecker",
    "ValidationContext",
    "Verdict",
    "WholeLoadChecker",
    "checker",
    "expect",
    "judge",
]
