"""Checkers of what the deployment says of itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from support.checkers.base import BaseChecker, NoData, ValidationContext
from support.sampling import samples

_PANIC = re.compile(r"panicked at|Traceback \(most recent call last\)|fatal runtime error|stack overflow")


@dataclass(frozen=True)
class MigrationChecker(BaseChecker):
    """At least so many running requests were migrated, and at most so many (None: as many as there were)."""

    at_least: int = 1
    at_most: int | None = None

    def check(self, context: ValidationContext) -> bool:
        seen = context.metrics["migrations_total"]
        context.saw(f"{seen:g} migrations were counted")
        return seen >= self.at_least and (self.at_most is None or seen <= self.at_most)


@dataclass(frozen=True)
class MetricsConsistencyChecker(BaseChecker):
    """Dynamo's own counters say what the clients saw: how many were answered, and how many turned away."""

    def check(self, context: ValidationContext) -> bool:
        counted, seen = context.metrics, context.results.overall
        rejected = sum(count for error, count in seen.errors.items() if error in ("http 503", "http 529"))
        pairs = {
            "answered in full": (counted["requests_succeeded"], seen.completed),
            "turned away": (counted["rejections_total"], rejected),
        }
        context.saw(", ".join(f"{what}: {n:g} counted, {clients} seen" for what, (n, clients) in pairs.items()))
        return all(n == clients for n, clients in pairs.values())


@dataclass(frozen=True)
class NoLeakChecker(BaseChecker):
    """When the load is over every slot and block is free, and what each component holds is about what it was.

    rss_mb, fds, threads: by how much a component may have grown; pools that fill at first use are no leak. Seen on
    ai-dynamo 1.4.2 under 20 requests a second, in 12 scenarios: at most 11 MB, 6 descriptors, 9 threads. Of 80 clients
    that came at once a frontend on a busy machine kept 51 threads: Tokio starts one for each blocking task that finds
    none idle, up to 512, and ends those that are idle for 10 seconds. So one for each request that was in flight at
    once is no leak either; one for each request is.
    """

    rss_mb: float = 40.0
    fds: float = 20.0
    threads: float = 20.0

    def check(self, context: ValidationContext) -> bool:
        context.looked = True
        if not context.after or not all(context.after.values()):
            raise NoData("no component told what it holds when the load was over")
        at_once = max((told.value for told in samples(context.log_dir) if told.series == "in_flight"), default=0.0)
        limits = {"rss_mb": self.rss_mb, "fds": self.fds, "threads": max(self.threads, at_once)}
        flaws = [flaw for name in context.after for flaw in self._flaws(name, context, limits)]
        most = {series: max(self._grown(name, series, context) for name in context.after) for series in limits}
        context.saw(
            "; ".join(flaws) or ", ".join(f"{series} grew by at most {value:.0f}" for series, value in most.items())
        )
        return not flaws

    def _grown(self, name: str, series: str, context: ValidationContext) -> float:
        """Since before the load. A component that is new then is compared with those of its kind, as they were."""
        kind = name.rpartition("-")[0]
        before = [
            held[series]
            for other, held in context.before.items()
            if series in held and (other == name or (name not in context.before and other.startswith(f"{kind}-")))
        ]
        if not before:
            raise NoData(f"nobody knows what {name}, or one of its kind, held before the load")
        return context.after[name].get(series, 0.0) - max(before)

    def _flaws(self, name: str, context: ValidationContext, limits: Mapping[str, float]) -> Iterator[str]:
        for series in ("running", "queued", "blocks", "in_flight"):
            if held := context.after[name].get(series, 0.0):
                yield f"{name} still has {held:g} {series.replace('_', ' ')}"
        for series, limit in limits.items():
            if (grown := self._grown(name, series, context)) > limit:
                yield f"{name} has {grown:.0f} more {series} than before"


@dataclass(frozen=True)
class PeakMemoryChecker(BaseChecker):
    """While the load lasted no component needed more than so many megabytes above what it had before."""

    at_most_mb: float

    def check(self, context: ValidationContext) -> bool:
        context.looked = True
        most = dict.fromkeys(context.before, 0.0)
        for told in samples(context.log_dir):
            if told.series == "rss_mb" and told.component in most:
                grown = told.value - context.before[told.component].get("rss_mb", 0.0)
                most[told.component] = max(most[told.component], grown)
        if not any(most.values()):
            raise NoData("no component told of its memory while the load lasted")
        context.saw(", ".join(f"{name} needed {grown:.0f} MB more" for name, grown in most.items()))
        return max(most.values()) <= self.at_most_mb


@dataclass(frozen=True)
class LogChecker(BaseChecker):
    """No component wrote of a crash of its own, apart from those that were struck."""

    def check(self, context: ValidationContext) -> bool:
        logs = context.logs()
        if not any(logs.values()):
            raise NoData("no component wrote anything")
        struck = {name for mark in context.journal.marks for name in mark.target.split(", ")}
        found = [
            f"{name}: {match[0]}" for name, log in logs.items() if name not in struck and (match := _PANIC.search(log))
        ]
        context.saw("; ".join(found) or f"the logs of {len(logs)} components tell of no crash")
        return not found
