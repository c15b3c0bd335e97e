"""Durations counted in bins, so that any number of them fits and two sets of them can be added up.

Every bin is 0.1 percent wide (`GRAIN`) and remembers the mean of what lies in it: a percentile, which is interpolated
between ranks as numpy does, is off by at most 0.1 percent, and exact where a bin holds one value or equal ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

GRAIN = 0.001
LEAST_MS = 0.001
"""What is shorter is counted in the first bin."""


def bins_of(values: NDArray[np.float64]) -> NDArray[np.intp]:
    """The number of the bin of each duration (ms)."""
    logs: NDArray[np.float64] = np.log(np.maximum(values, LEAST_MS) / LEAST_MS)
    logs *= 1 / math.log1p(GRAIN)
    return logs.astype(np.intp)


class Histogram:
    """How often durations (ms) of each size came."""

    def __init__(self) -> None:
        self._counts: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self._sums: NDArray[np.float64] = np.zeros(0)

    def add(self, values: NDArray[np.float64]) -> None:
        """values: in ms, none of them NaN."""
        bins, least = bins_of(values), self._counts.size
        self._counts = _added(np.bincount(bins, minlength=least), self._counts)
        self._sums = _added(np.bincount(bins, weights=values, minlength=least), self._sums)

    def __add__(self, other: Histogram) -> Histogram:
        longer, shorter = (self, other) if self._counts.size >= other._counts.size else (other, self)
        both = Histogram()
        both._counts = _added(longer._counts.copy(), shorter._counts)  # of its own class
        both._sums = _added(longer._sums.copy(), shorter._sums)
        return both

    def percentiles(self, shares: Iterable[float]) -> list[float | None]:
        """shares: 0 to 1 each. None of nothing."""
        upto = np.cumsum(self._counts)
        if not upto.size or not upto[-1]:
            return [None for _ in shares]
        return [self._percentile(upto, share) for share in shares]

    def _percentile(self, upto: NDArray[np.int64], share: float) -> float:
        rank = share * float(upto[-1] - 1)
        lower, upper = (int(np.searchsorted(upto, one, side="right")) for one in (math.floor(rank), math.ceil(rank)))
        low, high = (float(self._sums[index] / self._counts[index]) for index in (lower, upper))
        return low + (high - low) * (rank - math.floor(rank))


def _added(to: NDArray[Any], what: NDArray[Any]) -> NDArray[Any]:
    """In place. what: at most as long."""
    to[: what.size] += what
    return to
