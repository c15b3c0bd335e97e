"""Metrics of a component as numbers: one scrape, asked by name and labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from prometheus_client.parser import text_string_to_metric_families


@dataclass(frozen=True)
class Sample:
    """One series at one moment."""

    name: str
    labels: dict[str, str]
    value: float


class Metrics:
    """One scrape. Labelled series appear in Dynamo only after their first event, so a missing one counts as 0."""

    def __init__(self, samples: list[Sample] | None = None, text: str = "") -> None:
        """From samples, or from the Prometheus text format, of which only what is asked is parsed: all of etcd's takes
        64 ms, and a load samples its components twice a second."""
        self._given = samples
        self.text = text

    @classmethod
    def parse(cls, text: str) -> Metrics:
        """From the Prometheus text format. Counters keep their `_total`, as Dynamo writes them."""
        return cls(None, text)

    @cached_property
    def _samples(self) -> list[Sample]:
        if self._given is not None:
            return self._given
        return _parsed(self.text)

    def series(self, name: str, **labels: str) -> Iterator[Sample]:
        """Every series of that name whose labels include `labels`."""
        for sample in self._named(name):
            if labels.items() <= sample.labels.items():
                yield sample

    def total(self, name: str, **labels: str) -> float:
        """Sum over the matching series; 0 when there is none."""
        return sum(sample.value for sample in self.series(name, **labels))

    def values(self) -> dict[str, float]:
        """Every series by its name and labels, as the text format writes them."""
        return {f"{one.name}{_written(one.labels)}": one.value for one in self._samples}

    def __contains__(self, name: str) -> bool:
        return any(True for _ in self.series(name))

    def _named(self, name: str) -> list[Sample]:
        if self._given is not None:
            return [sample for sample in self._given if sample.name == name]
        lines = (line for line in self.text.splitlines() if line.startswith((f"{name}{{", f"{name} ")))
        return _parsed("".join(f"{line}\n" for line in lines))


def _parsed(text: str) -> list[Sample]:
    families = text_string_to_metric_families(text)
    return [Sample(s.name, dict(s.labels), s.value) for f in families for s in f.samples]


def _written(labels: dict[str, str]) -> str:
    return "{" + ",".join(f'{key}="{value}"' for key, value in labels.items()) + "}" if labels else ""
