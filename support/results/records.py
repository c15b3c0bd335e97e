"""The records of one load, each with the phase that it belongs to."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from support.marks import FILE, Marks
from support.results.read import LATENCY, OUTCOME, TTFT, LoadFolder, load_frame
from support.results.recovery import BAD, NEEDED, STEADY_WINDOW, Recovery, recovery


class Records:
    """Of one folder, also while it is written; they are read anew whenever something is asked of them."""

    def __init__(self, log_dir: Path) -> None:
        """UsageError for a folder that holds no load, or several."""
        self.folder: LoadFolder = load_frame(log_dir)
        self.marks = Marks.read(log_dir) if (log_dir / FILE).exists() else Marks()

    @property
    def clock_offset(self) -> float:
        """What makes CLOCK_MONOTONIC the time of the records."""
        return self.folder.clock_offset

    @property
    def frame(self) -> pl.LazyFrame:
        """The records with `phase`, `latency_ms`, `ttft_ms` and `outcome` ("completed", "left", "http 503", ...).

        phase: where [due, end] lies inside one; else the two that it crosses, "STANDARD to OVERFLOW"; "" outside all.
        """
        number = self._phase_number()
        return self.folder.frame.with_columns(
            LATENCY.alias("latency_ms"),
            TTFT.alias("ttft_ms"),
            OUTCOME.alias("outcome"),
            number.replace_strict(dict(enumerate(self._phase_names())), return_dtype=pl.String).alias("phase"),
        )

    def _phase_names(self) -> list[str]:
        """By `_phase_number`."""
        names = ["", *(phase.name for phase in self.marks.phases)]
        return [begun if begun == ended else f"{begun} to {ended}" for begun in names for ended in names]

    def _phase_number(self) -> pl.Expr:
        return self._place("due") * (len(self.marks.phases) + 1) + self._place("end")

    def _place(self, column: str) -> pl.Expr:
        """0 outside all phases, else 1, 2, ..."""
        found = pl.lit(0, dtype=pl.UInt8)
        for index, phase in enumerate(self.marks.phases):
            # What ended after the last phase was let end then.
            last = column == "end" and index == len(self.marks.phases) - 1
            inside = pl.col(column) >= phase.begin
            number = pl.lit(index + 1, dtype=pl.UInt8)
            found = pl.when(inside if last else inside & (pl.col(column) < phase.end)).then(number).otherwise(found)
        return found

    def recovery(self, at: float, *, until: float | None = None, quick_until: float = float("inf")) -> Recovery:
        """What became of requests that were due after `at` (and before `until`). See `support.results.recovery`."""
        return recovery(self.frame, at, until=until, quick_until=quick_until)

    def as_before(self, at: float, *, until: float) -> bool:
        """Whether what was due between the two was answered as before in the end (`Recovery.as_before`), and nothing
        has failed so far of what was due later.

        For who waits for it, and asks again and again: the records are read once for each answer, and held in memory.
        """
        if until - at < STEADY_WINDOW:
            return False
        so_far = self.frame.select(NEEDED).collect().lazy()
        if so_far.filter((pl.col("due") >= until) & BAD).collect().height:
            return False
        return recovery(so_far, at, until=until).as_before is not None
