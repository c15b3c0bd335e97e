"""The results of one load: the whole and each phase."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from support.errors import UsageError
from support.results.measures import Limits, Measures, Tally, together
from support.results.read import FLAWS, LATENCY, TTFT, flaws, insist
from support.results.records import Records
from support.results.sent import Turns

BATCH = 50_000
"""Records that are looked at at a time: what makes memory bounded."""


class Results(Records):
    """Of one folder. UsageError when its records are broken; zero requests are for the caller to refuse."""

    def __init__(self, log_dir: Path, *, limits: Limits | None = None) -> None:
        super().__init__(log_dir)
        self._limits = limits or Limits()
        self._compute()

    def _compute(self) -> None:
        """Everything in one go over the file, in batches: what is kept of them does not grow but for `Turns`."""
        tallies: defaultdict[str, Tally] = defaultdict(Tally)
        turns, seen, names = Turns(self.folder.plan), Counter[str](), self._phase_names()
        needed = self.folder.frame.select(
            *flaws(self.folder.plan),
            *(pl.col(name) for name in (*Tally.COLUMNS, "client", "turn")),
            LATENCY.alias("latency_ms"),
            TTFT.alias("ttft_ms"),
            self._phase_number().alias("phase"),
        )
        try:
            for batch in _batches(needed):
                seen.update(batch.select(pl.col(FLAWS).sum()).row(0, named=True))
                insist(self.folder, seen)
                turns.add(batch)
                for number, part in _by_phase(batch):
                    tallies[names[number]].add(part, self._limits)
        except pl.exceptions.PolarsError as broken:
            raise UsageError(f"the records in {self.folder.path} cannot be read: {broken}") from broken
        turns.settle()
        self._turns = turns
        self.tally = together(tallies.values())
        self.overall: Measures = self.tally.measures(seconds=self.tally.seconds)
        begun = sorted((name for name in tallies if name), key=lambda name: tallies[name].first)
        self.phases: dict[str, Measures] = {
            name: tallies[name].measures(seconds=self._seconds(name, tallies[name]), crossing=" to " in name)
            for name in begun
        }

    def _seconds(self, name: str, tally: Tally) -> float:
        lasted = [phase.end - phase.begin for phase in self.marks.phases if phase.name == name]
        return lasted[0] if lasted else tally.seconds

    def of_frontend(self, number: int) -> Measures:
        """What its clients saw. UsageError when the load went to no frontend of that number."""
        urls = self.folder.plan.base_urls
        if not 0 <= number < len(urls):
            raise UsageError(f"the load went to {len(urls)} frontends: there is no frontend {number}")
        asked = self.frame.filter(pl.col("client") % len(urls) == number)
        tally = Tally()
        for batch in _batches(asked.select(*Tally.COLUMNS, "latency_ms", "ttft_ms")):
            if batch.height:
                tally.add(batch, self._limits)
        return tally.measures(seconds=tally.seconds)

    # What was not recorded.

    @property
    def duplicated(self) -> int:
        """Records of a turn of a client that is there already."""
        return self._turns.duplicated

    @property
    def unfinished(self) -> int:
        """Requests that were sent and have no record. Of a shard that was killed nobody knows (`killed`)."""
        started = sum(int(end["started"]) for end in self.folder.ends)
        return 0 if self.killed else started - self._turns.distinct

    @property
    def killed(self) -> bool:
        """A shard did not end by itself: its last records may lack."""
        return len(self.folder.ends) < self.folder.plan.shards

    @cached_property
    def never_sent(self) -> int:
        """Requests that were due and were not sent, as far as it can be known (`Turns.never_sent`)."""
        done = all(end["how"] == "done" for end in self.folder.ends)
        told = [end["sent_until"] for end in self.folder.ends if end.get("sent_until") is not None]
        return self._turns.never_sent(
            done=done, killed=self.killed, unfinished=max(0, self.unfinished), sent_until=min(told, default=None)
        )

    @property
    def slowed(self) -> list[tuple[float, float]]:
        """When faults took the machine's processors on purpose: begins and ends, seconds since the epoch."""
        return [(fault.begin, fault.end or math.inf) for fault in self.marks.faults if fault.slows_clients]

    @cached_property
    def late_ms(self) -> float:
        """Milliseconds by which 99 of 100 requests at most left after they were due: the client's own lateness.

        Those that were due while a fault slowed the clients on purpose do not count. 0 when there are no others."""
        during = (pl.col("due").is_between(begin, end) for begin, end in self.slowed)
        late = (pl.col("start") - pl.col("due")).quantile(0.99, "linear") * 1000
        others = self.folder.frame.filter(~pl.any_horizontal(pl.lit(False), *during))
        return float(others.select(late).collect(engine="streaming").item() or 0.0)

    def as_dict(self) -> dict[str, Any]:
        """All of it for JSON: the measures of the whole, and below their names those of each phase."""
        seen = self.recovery(self.marks.faults[-1].begin) if self.marks.faults else None
        return {
            **dataclasses.asdict(self.overall),
            "never_sent": self.never_sent,
            "unfinished": self.unfinished,
            "duplicated": self.duplicated,
            "truncated": list(self.folder.truncated),
            "first_success_s": seen and seen.first_success,
            "steady_success_s": seen and seen.steady,
            "as_before_s": seen and seen.as_before,
            **{name: dataclasses.asdict(part) for name, part in self.phases.items()},
        }


def _batches(frame: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    return frame.collect_batches(chunk_size=BATCH, maintain_order=False, engine="streaming")


def _by_phase(batch: pl.DataFrame) -> Iterator[tuple[int, pl.DataFrame]]:
    numbers = batch.get_column("phase").unique()
    for number in numbers:
        yield number, batch if numbers.len() == 1 else batch.filter(pl.col("phase") == number)
