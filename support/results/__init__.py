"""What a load's records say: measures of the whole and of each phase, computed by polars, never from averages."""

from support.results.measures import Limits, Measures
from support.results.overflow import process_overflow_recovery_test, summary
from support.results.read import load_frame
from support.results.records import Records
from support.results.recovery import STEADY_WINDOW, Recovery
from support.results.results import Results

__all__ = [
    "STEADY_WINDOW",
    "Limits",
    "Measures",
    "Records",
    "Recovery",
    "Results",
    "load_frame",
    "process_overflow_recovery_test",
    "summary",
]
