"""The evidence of one scenario: files in a folder of its own, and the same in the report."""

from __future__ import annotations

import csv
import io
import json
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from support.counts import Scrapes, scrape
from support.deployment import Deployment
from support.records import RequestRecord
from support.report.evidence import Kind, attach_file
from support.report.timeline import FaultMark, timeline_svg
from support.sampling import FILE
from support.spec import GENERATING

_LEFT_OUT = re.compile(
    r"\w+_bucket\b|\w+_created\b|dynamo_(tokio|work_handler|router)_|go_|grpc_|os_|process_|promhttp_|etcd_debugging_"
)


def slug(name: str) -> str:
    """A scenario's name as that of its folder: lower case, words joined by "-", at most 100 characters."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:100]


class Evidence:
    """Writes below `folder`, which is made with the first file. Call it in a step or hook of the scenario."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep_requests(self, records: Sequence[RequestRecord], faults: Sequence[FaultMark], *, begun: float) -> None:
        """What each client saw, and a picture of it. begun: of the scenario, on CLOCK_MONOTONIC."""
        end = max([time.monotonic(), *(record.ended_at or 0.0 for record in records)])
        title = "Requests and faults, from the start of the scenario"
        picture = timeline_svg(records, faults, start=begun, end=end, title=title)
        self._keep("Timeline of requests and faults", "timeline.svg", picture, "svg")
        lines = "".join(record.to_json() + "\n" for record in records)
        self._keep("What each client saw", "requests.jsonl", lines, "jsonl")

    def keep_load(self, folder: Path, *, title: str) -> None:
        """What the clients of a load saw: a picture, and the numbers of each phase. Nothing when it never began."""
        if not (folder / "marks.json").exists():
            return
        from support.report.load_picture import load_svg
        from support.results import Results

        results = Results(folder)
        picture = load_svg(results, folder / FILE, title=title)
        self._keep("Timeline of the load", "load.svg", picture, "svg")
        self._keep("What the clients saw", "load.json", json.dumps(results.as_dict(), indent=1), "json")

    def keep_measured(self, values: Mapping[str, str]) -> None:
        """Measured values, by what was measured."""
        self._keep("What was measured", "measured.txt", "".join(f"{what}: {value}\n" for what, value in values.items()))

    def keep_deployment(self, deployment: Deployment, *, before: Scrapes) -> None:
        """What ran, what it counted, what it wrote."""
        self._keep("Deployment", "deployment.json", json.dumps(_described(deployment), indent=1), "json")
        after = scrape(list(deployment.components.values()))
        for moment, scrapes in (("before", before), ("after", after)):
            for name, metrics in scrapes.items():
                self._write(f"metrics-{moment}-{name}.txt", metrics.text)
        judged = {one.name: after[one.name] for one in deployment.of_role("frontend", *GENERATING) if one.name in after}
        self._keep("Metrics that changed: before, after", "metrics.csv", _changes(before, judged), "csv")
        if told := deployment.told():
            self._keep("Events of the cluster", "events.txt", told)
        for component in deployment.components.values():
            if text := component.logs():
                self._keep(f"Log of {component.name}", f"{component.name}.log", text, "log")

    def _keep(self, title: str, file: str, text: str, kind: Kind = "text") -> None:
        attach_file(self._write(file, text), title, kind)

    def _write(self, file: str, text: str) -> Path:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / file
        path.write_text(text)
        return path


def _described(deployment: Deployment) -> dict[str, object]:
    components = {
        one.name: {"address": one.address, "pid": one.pid if one.running else None}
        for one in deployment.components.values()
    }
    return {"spec": vars(deployment.spec), "components": components}


def _changes(before: Scrapes, after: Scrapes) -> str:
    """component,series,before,after of each series that is not what it was; a series that was not there was 0."""
    rows = io.StringIO()
    table = csv.writer(rows)
    table.writerow(["component", "series", "before", "after"])
    for name, metrics in after.items():
        earlier = before[name].values() if name in before else {}
        for series, value in metrics.values().items():
            if not _LEFT_OUT.match(series) and value != earlier.get(series, 0.0):
                table.writerow([name, series, f"{earlier.get(series, 0.0):g}", f"{value:g}"])
    return rows.getvalue()
