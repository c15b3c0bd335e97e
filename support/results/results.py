"""The results of one load: the whole, each phase, and how it recovered."""

from __future__ import annotations

import dataclasses
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from support.load.plan import due_until
from support.marks import FILE, Marks
from support.results.measures import Limits, Measures, expressions, gap_bin, measures
from support.results.read import LoadFolder, flaws, insist, load_frame
from support.results.recovery import Recovery, recovery

_ALL = "all"


class Results:
    """Of one folder. UsageError when its records are broken; zero requests are for the caller to refuse."""

    def __init__(self, log_dir: Path, *, limits: Limits | None = None) -> None:
        self.folder: LoadFolder = load_frame(log_dir)
        self.marks = Marks.read(log_dir) if (log_dir / FILE).exists() else Marks()
        self._limits = limits or Limits()
        self._compute()

    @property
    def clock_offset(self) -> float:
        """What makes CLOCK_MONOTONIC the time of the records."""
        return self.folder.clock_offset

    @property
    def frame(self) -> pl.LazyFrame:
        """The records with `phase`, `latency_ms`, `ttft_ms` and `outcome` ("completed", "timeout", "http 503", ...).

        phase: where [due, end] lies inside one; else the two that it crosses, "STANDARD to OVERFLOW"; "" outside all.
        """
        http = pl.format("http {}", pl.col("http_status"))
        error = pl.when(pl.col("error_class") == "http_status").then(http).otherwise(pl.col("error_class"))
        return self.folder.frame.with_columns(
            ((pl.col("end") - pl.col("due")) * 1000).alias("latency_ms"),
            ((pl.col("first_token") - pl.col("due")) * 1000).alias("ttft_ms"),
            pl.when(pl.col("status") == "error").then(error).otherwise(pl.col("status")).alias("outcome"),
            self._phase().alias("phase"),
        )

    def _phase(self) -> pl.Expr:
        begun, ended = self._phase_of("due"), self._phase_of("end")
        return pl.when(begun == ended).then(begun).otherwise(pl.format("{} to {}", begun, ended))

    def _phase_of(self, column: str) -> pl.Expr:
        found = pl.lit("")
        for index, phase in enumerate(self.marks.phases):
            # What ended after the last phase was let end then.
            last = column == "end" and index == len(self.marks.phases) - 1
            inside = pl.col(column) >= phase.begin
            found = (
                pl.when(inside if last else inside & (pl.col(column) < phase.end))
                .then(pl.lit(phase.name))
                .otherwise(found)
            )
        return found

    def _compute(self) -> None:
        """Everything in one go over the file."""
        frame = self.frame
        numbers = expressions(self._limits)
        gaps = frame.select("phase", pl.col("gaps_ms")).explode("gaps_ms", empty_as_null=False).with_columns(gap_bin())
        whole, parts, outcomes, bins = pl.collect_all(
            [
                frame.select(*numbers, *flaws(self.folder.plan), pl.col("request_id").n_unique().alias("ids")),
                frame.group_by("phase").agg(numbers),
                frame.group_by("phase", "outcome").len(),
                gaps.group_by("phase", "bin").len(),
            ],
            engine="streaming",
        )
        row = whole.row(0, named=True)
        insist(self.folder, row)
        self.duplicated = int(row["requests"] - row["ids"])
        self.overall: Measures = self._measures(row, outcomes, bins, seconds=(row["last"] or 0) - (row["first"] or 0))
        self.phases: dict[str, Measures] = {
            part["phase"]: self._measures(
                part,
                outcomes.filter(pl.col("phase") == part["phase"]),
                bins.filter(pl.col("phase") == part["phase"]),
                seconds=self._seconds(part),
            )
            for part in parts.sort("first").iter_rows(named=True)
            if part["phase"]
        }

    def _seconds(self, part: dict[str, Any]) -> float:
        lasted = [phase.end - phase.begin for phase in self.marks.phases if phase.name == part["phase"]]
        return lasted[0] if lasted else float(part["last"] - part["first"])

    def _measures(self, row: dict[str, Any], outcomes: pl.DataFrame, bins: pl.DataFrame, *, seconds: float) -> Measures:
        totals = outcomes.group_by("outcome").agg(pl.col("len").sum()).sort("outcome")
        errors = {name: count for name, count in totals.iter_rows() if name not in ("completed", "cancelled")}
        gaps = bins.group_by("bin").agg(pl.col("len").sum()).sort("bin")
        return measures(row, errors, gaps, seconds=seconds)

    # What was not recorded.

    @property
    def unfinished(self) -> int:
        """Requests that were sent and have no record. Of a shard that was killed nobody knows (`killed`)."""
        started = sum(int(end["started"]) for end in self.folder.ends)
        return 0 if self.killed else started - self.overall.requests

    @property
    def killed(self) -> bool:
        """A shard did not end by itself: its last records may lack."""
        return len(self.folder.ends) < self.folder.plan.shards

    @cached_property
    def never_sent(self) -> int:
        """Requests that were due and have no record: holes among the turns, clients or sessions that lack."""
        seen = self.folder.frame.group_by("client").agg(
            pl.len().alias("there"), (pl.col("turn").max() + 1).alias("turns")
        )
        clients = seen.collect(engine="streaming")
        holes = int((clients.get_column("turns") - clients.get_column("there")).sum())
        return holes + self._absent(clients)

    def _absent(self, clients: pl.DataFrame) -> int:
        plan = self.folder.plan
        if plan.rate is None and plan.trace is None:
            if plan.requests_per_client is not None and not self._stopped:
                return plan.clients * plan.requests_per_client - int(clients.get_column("turns").sum())
            return plan.clients - clients.height
        return max(0, self._due_sessions() - clients.height)

    @property
    def _stopped(self) -> bool:
        return any(end["how"] != "done" for end in self.folder.ends)

    def _due_sessions(self) -> int:
        """By the schedule, up to the last request that was sent: after it the load was stopped."""
        first, last = self._span()
        if last is None:
            return 0
        if not self._stopped and not self.killed:
            return due_until(self.folder.plan, float("inf"))
        return due_until(self.folder.plan, last - first)

    def _span(self) -> tuple[float, float | None]:
        """When the load began, and when the last session that was sent was due."""
        turns = self.folder.frame.filter(pl.col("turn") == 0).sort("client")
        rows = turns.select("client", "due").collect()
        if not rows.height:
            return 0.0, None
        from support.load.plan import arrivals

        number = rows.get_column("client")[0]
        begin = rows.get_column("due")[0]
        for arrival in arrivals(self.folder.plan):
            if arrival.number == number:
                begin -= arrival.due
                break
        last = float(rows.get_column("due").max())  # type: ignore[arg-type]
        return begin, last + 1e-6

    # How it recovered.

    def recovery(self, at: float, *, until: float | None = None) -> Recovery:
        """What became of requests that were due after `at` (and before `until`)."""
        return recovery(self.frame, at, until=until)

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
