"""A picture of a load: what clients saw, second by second, with phases named and faults hatched.

Readable in print and by the colour-blind: the colours are Okabe and Ito's, and lines differ by dash and mark too.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from support.marks import Marks
from support.results import Results

BIN = 0.5
"""Seconds of one bar."""
_BLUE, _ORANGE, _GREEN, _RED, _PURPLE, _GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#555555"
_HATCHES = ["////", "....", "xxxx", "\\\\\\\\", "++++"]
_STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#888888",
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "legend.fontsize": 8,
    "hatch.linewidth": 0.6,
    "svg.hashsalt": "dynamo-fault-specs",
    "svg.fonttype": "none",
}

_MARGINS = {"left": 0.05, "right": 0.985, "top": 0.885, "bottom": 0.12, "hspace": 0.4}
"""Fixed: to find them from the texts takes longer than to draw the rest."""


def load_svg(results: Results, samples: Path | None, *, title: str) -> str:
    """An SVG document, the same for the same records. samples: the file of `support.sampling`, if there is one."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot

    frame = results.frame.select("due", "end", "first_token", "latency_ms", "ttft_ms", "outcome").collect()
    begin = _begin(frame, results.marks)
    with mpl.rc_context(_STYLE):
        figure, axes = pyplot.subplots(
            4, 1, figsize=(9.6, 7.4), sharex=True, height_ratios=[2, 2, 3, 2], gridspec_kw=_MARGINS
        )
        try:
            figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
            _in_flight(axes[0], frame, begin)
            _outcomes(axes[1], frame, begin)
            _latencies(axes[2], frame, begin)
            _counted(axes[3], samples, begin)
            _phases(axes, results.marks, begin)
            axes[3].set_xlabel("seconds")
            return _written(figure)
        finally:
            pyplot.close(figure)


def _begin(frame: pl.DataFrame, marks: Marks) -> float:
    if marks.phases:
        return marks.phases[0].begin
    return float(frame.get_column("due").min() or 0.0)  # type: ignore[arg-type]


def _written(figure: Any) -> str:
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()


def _in_flight(axis: Any, frame: pl.DataFrame, begin: float) -> None:
    steps = pl.concat(
        [
            frame.select(pl.col("due").alias("at"), pl.lit(1).alias("step")),
            frame.select(pl.col("end").alias("at"), pl.lit(-1).alias("step")),
        ]
    ).sort("at")
    axis.step(steps.get_column("at") - begin, steps.get_column("step").cum_sum(), where="post", color=_BLUE, lw=1.2)
    axis.set_title("requests in flight")
    axis.set_ylim(bottom=0)


def _outcomes(axis: Any, frame: pl.DataFrame, begin: float) -> None:
    bins = _binned(frame, "end", begin).group_by("bin", "outcome").len().sort("bin")
    kinds = sorted(bins.get_column("outcome").unique().to_list(), key=lambda kind: (kind != "completed", kind))
    below: dict[float, float] = {}
    for number, kind in enumerate(kinds):
        part = bins.filter(pl.col("outcome") == kind)
        at = part.get_column("bin").to_list()
        rate = (part.get_column("len") / BIN).to_list()
        colour, hatch = _looks(kind, number)
        floor = [below.get(each, 0.0) for each in at]
        axis.bar(
            at,
            rate,
            width=BIN * 0.9,
            align="edge",
            bottom=floor,
            label=kind,
            color=colour,
            hatch=hatch,
            edgecolor="white",
        )
        below.update({each: low + high for each, low, high in zip(at, floor, rate, strict=True)})
    axis.set_title("answers a second, by how they ended")
    axis.legend(loc="lower right", bbox_to_anchor=(1, 0.98), ncols=len(kinds) or 1)


def _looks(kind: str, number: int) -> tuple[str, str]:
    if kind == "completed":
        return _GREEN, ""
    return [_RED, _ORANGE, _PURPLE, _GREY][(number - 1) % 4], _HATCHES[(number - 1) % len(_HATCHES)]


def _latencies(axis: Any, frame: pl.DataFrame, begin: float) -> None:
    from matplotlib.ticker import LogFormatter

    done = _binned(frame.filter(pl.col("outcome") == "completed"), "due", begin)
    looks = {"latency_ms": (_BLUE, "o"), "ttft_ms": (_ORANGE, "s")}
    names = {"latency_ms": "whole answer", "ttft_ms": "first token"}
    for column, (colour, mark) in looks.items():
        for share, dash in ((0.5, "-"), (0.99, ":")):
            line = done.group_by("bin").agg(pl.col(column).quantile(share, "linear")).sort("bin")
            label = f"{names[column]}, p{share * 100:.0f}"
            at = line.get_column("bin") + BIN / 2
            axis.plot(at, line.get_column(column), dash, color=colour, marker=mark, ms=3, lw=1.2, label=label)
    if done.height:
        axis.set_yscale("log")
        axis.yaxis.set_major_formatter(LogFormatter())
        axis.yaxis.set_minor_formatter(LogFormatter())
        axis.legend(loc="lower right", bbox_to_anchor=(1, 0.98), ncols=4)
    axis.set_title("milliseconds from due, of completed answers")


def _counted(axis: Any, samples: Path | None, begin: float) -> None:
    rows = _samples(samples)
    for series, colour, dash in (("migrations", _BLUE, "-"), ("rejections", _RED, "--")):
        points = sorted((at - begin, value) for at, name, value in rows if name == series)
        if points:
            axis.step(*zip(*points, strict=True), dash, where="post", color=colour, lw=1.4, label=series)
    if rows:
        axis.legend(loc="upper left", ncols=2)
    axis.set_ylim(bottom=0)
    axis.set_title("counted by the frontend since it began")


def _samples(file: Path | None) -> list[tuple[float, str, float]]:
    if file is None or not file.exists():
        return []
    lines = [json.loads(line) for line in file.read_text().splitlines() if line.endswith("}")]
    return [(told["at"], told["series"], told["value"]) for told in lines]


def _phases(axes: Sequence[Any], marks: Marks, begin: float) -> None:
    for phase in marks.phases:
        for axis in axes:
            axis.axvline(phase.begin - begin, color="#999999", lw=0.8, ls="--")
        axes[0].text(
            phase.begin - begin, 1.22, f" {phase.name}", transform=axes[0].get_xaxis_transform(), color="#444444"
        )
    end = marks.phases[-1].end if marks.phases else begin
    for fault in marks.faults:
        until = end if fault.end is None else max(fault.end, fault.begin + 0.02)
        for axis in axes:
            axis.axvline(fault.begin - begin, color=_PURPLE, lw=1.6)
            window = fault.begin - begin, until - begin
            axis.axvspan(*window, facecolor=_PURPLE, alpha=0.12, lw=0)
            axis.axvspan(*window, facecolor="none", hatch="///", edgecolor=_PURPLE, alpha=0.35, lw=0)
    words = "; ".join(f"{fault.target} {fault.name} at {fault.begin - begin:.1f} s" for fault in marks.faults)
    if words:
        axes[-1].annotate(words, (0, -0.62), xycoords="axes fraction", fontsize=8, color="#7a3b63")


def _binned(frame: pl.DataFrame, column: str, begin: float) -> pl.DataFrame:
    return frame.with_columns((((pl.col(column) - begin) / BIN).floor() * BIN).alias("bin"))
