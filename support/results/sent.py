"""Who asked how often: requests that were recorded twice, and those that were due and were never sent.

Of each request only its client and turn are kept, 8 bytes; of each client that may ask again also when it last ended.
"""

from __future__ import annotations

import itertools
from array import array

import numpy as np
import polars as pl

from support.load.plan import LoadPlan, due_until, times

SURE_AFTER = 1.0
"""Seconds for which a client may be late because its process was busy: only then it is sure that it sent nothing."""
_MERGED_AT = 100_000
"""Rows that wait until they are merged."""


class Turns:
    """Of one load's records, added batch by batch; `settle` when all are there."""

    def __init__(self, plan: LoadPlan) -> None:
        self._plan = plan
        self._opened = plan.rate is not None or plan.trace is not None
        self._each = plan.turns_per_session if self._opened else plan.requests_per_client
        if plan.trace is not None:
            self._each = 1
        self._keys = array("Q")
        self._ends = [pl.DataFrame(schema={"client": pl.Int64, "end": pl.Float64})]
        self._one_begun: tuple[int, float] | None = None
        """Any client, and when its first request was due."""
        self._last_begun = self._last_due = float("-inf")
        self.distinct = self.duplicated = self.holes = self._clients = 0

    def add(self, batch: pl.DataFrame) -> None:
        """batch: client, turn, due, end."""
        key = pl.col("client").cast(pl.UInt64) * 2**32 + pl.col("turn").cast(pl.UInt64)
        self._keys.frombytes(batch.select(key).to_series().drop_nulls().to_numpy().tobytes())
        first = pl.col("turn") == 0
        client, due, last_begun, last_due = batch.select(
            pl.col("client").filter(first).first(),
            pl.col("due").filter(first).first().alias("first"),
            pl.col("due").filter(first).max().alias("begun"),
            pl.col("due").max(),
        ).row(0)
        if client is not None:
            self._one_begun = self._one_begun or (client, due)
            self._last_begun = max(self._last_begun, last_begun)
        self._last_due = max(self._last_due, last_due)
        if self._each != 1:
            self._ends.append(batch.group_by("client").agg(pl.col("end").max()))
            if sum(part.height for part in self._ends[1:]) > max(_MERGED_AT, self._ends[0].height):
                self._merge()

    def _merge(self) -> None:
        self._ends = [pl.concat(self._ends).group_by("client").agg(pl.col("end").max())]

    def settle(self) -> None:
        """Count `distinct` requests, those that are `duplicated`, and the `holes` between turns of one client."""
        keys = np.frombuffer(self._keys, dtype="<u8")
        keys.sort()
        again = keys[1:] == keys[:-1]
        self.duplicated = int(np.count_nonzero(again))
        self.distinct = keys.size - self.duplicated
        turn, client = keys.view("<u4")[::2], keys.view("<u4")[1::2]
        last = np.append(client[1:] != client[:-1], np.ones(min(keys.size, 1), dtype=bool))
        asked = turn[last].astype(np.int64) + 1
        self._clients = asked.size
        self.holes = int(asked.sum()) - self.distinct
        self._merge()
        if self._each != 1:
            self._ends = [self._ends[0].sort("client").with_columns(pl.Series("asked", asked))]
        self._keys = array("Q")

    def never_sent(self, *, done: bool, killed: bool, unfinished: int, sent_until: float | None = None) -> int:
        """How many requests were due and not sent, as far as it can be known.

        done: the load ended by itself, so all that was planned was due, but for what a `duration` cut off. One that was
        stopped, or cut off, owes what was due before: sessions and clients that never began, and the next request of
        each that was free at least `SURE_AFTER` seconds before. Of a load of which a part was killed only holes are
        known. unfinished: requests that were sent without a record, which must not be told twice. sent_until: until
        when all shards sent what was due, on the clock of the records; None: nobody knows, then as long as it is sure.
        """
        if killed:
            return self.holes
        if done and self._plan.duration is None and self._each is not None:
            return max(0, self._planned() * self._each - self.distinct)
        if self._one_begun is None:
            return self.holes
        over = self._went_on_until(self._begin(*self._one_begun), done=done) if sent_until is None else sent_until
        return self.holes + self._absent(over) + max(0, self._silent(over) - unfinished)

    def _planned(self) -> int:
        """Clients, or sessions of the whole schedule."""
        return due_until(self._plan, float("inf")) if self._opened else self._plan.clients

    def _begin(self, client: int, due: float) -> float:
        """When the load began."""
        if not self._opened:
            return due
        return due - next(itertools.islice(times(self._plan), client, None), 0.0)

    def _went_on_until(self, begin: float, *, done: bool) -> float:
        """A time at which the load surely still sent what was due."""
        if done and self._plan.duration is not None:
            return max(self._last_due, begin + self._plan.duration)
        return self._last_due

    def _absent(self, over: float) -> int:
        if not self._opened:
            return max(0, self._plan.clients - self._clients)
        assert self._one_begun is not None
        until = max(self._last_begun, over - SURE_AFTER) - self._begin(*self._one_begun)
        return max(0, due_until(self._plan, until + 1e-6) - self._clients)

    def _silent(self, over: float) -> int:
        """Clients that were free, had something to ask, and did not."""
        if self._each == 1:
            return 0
        free = pl.col("end") + self._plan.think < over - SURE_AFTER
        owing = pl.lit(value=True) if self._each is None else pl.col("asked") < self._each
        return int(self._ends[0].select((free & owing).sum()).item())
