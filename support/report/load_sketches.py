"""Pictures as small as a word: the course of one load, and one number over runs. Both are inline SVG."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from support.results import Results

RUNS = 20
"""Of longer histories only the newest are drawn."""
_WIDTH, _HEIGHT, _BINS = 200, 44, 50
_GREEN, _RED, _PURPLE, _BLUE = "#009E73", "#D55E00", "#CC79A7", "#0072B2"
HATCHING = (
    '<svg width="0" height="0"><defs><pattern id="unanswered" width="3" height="3" patternUnits="userSpaceOnUse">'
    f'<rect width="3" height="3" fill="#fff"/><path d="M0 3L3 0" stroke="{_RED}" stroke-width="1.4"/>'
    "</pattern></defs></svg>"
)
"""What `course` fills its errors with; once on the page that shows it."""


def course(results: Results) -> str:
    """Answers that ended over time: those that completed as bars upwards, hatched on top of them all
    others but those that their clients left."""
    frame = results.frame.select("due", "end", "outcome").collect()
    begin, end = _span(frame)
    width = (end - begin) / _BINS
    bins = (
        frame.select(
            ((pl.col("end") - begin) / width).floor().clip(0, _BINS - 1).cast(pl.Int64).alias("bin"),
            (pl.col("outcome") == "completed").alias("good"),
            pl.col("outcome").is_in(["completed", "left"]).not_().alias("bad"),
        )
        .group_by("bin")
        .agg(pl.col("good").sum(), pl.col("bad").sum())
        .sort("bin")
    )
    most = max((good + bad for _, good, bad in bins.iter_rows()), default=1)
    step, scale = _WIDTH / _BINS, (_HEIGHT - 4) / most
    good = "".join(_bar(index * step, 0, count * scale, step) for index, count, _ in bins.iter_rows() if count)
    bad = "".join(_bar(i * step, low * scale, count * scale, step) for i, low, count in bins.iter_rows() if count)
    words = f"{int(bins['good'].sum())} answered, {int(bins['bad'].sum())} not, over {end - begin:.1f} seconds"
    faults = "".join(
        f'<path d="M{_x(fault.begin, begin, end)} 0V{_HEIGHT}" stroke="{_PURPLE}" stroke-width="2"/>'
        for fault in results.marks.faults
    )
    return (
        f"{_svg(_WIDTH, _HEIGHT, words)}"
        f'<path d="{good}" fill="{_GREEN}"/><path d="{bad}" fill="url(#unanswered)" stroke="{_RED}" stroke-width=".6"/>'
        f'{faults}<path d="M0 {_HEIGHT - 0.5}H{_WIDTH}" stroke="#888"/></svg>'
    )


def trend(runs: Sequence[tuple[float | None, str]]) -> str:
    """A value over runs, from the oldest on, with the newest in words; a ring where the run did not pass."""
    drawn = [(value, verdict) for value, verdict in runs if value is not None][-RUNS:]
    if not drawn:
        return "-"
    newest = f"{drawn[-1][0]:,.0f} ms"
    if len(drawn) == 1:
        return f'<span class="crossing">{newest}, the first run</span>'
    most = max(value for value, _ in drawn) or 1.0
    points = [
        (round(4 + 102 * index / (len(drawn) - 1), 1), round(26 - 22 * value / most, 1), verdict)
        for index, (value, verdict) in enumerate(drawn)
    ]
    line = " ".join(f"{x},{y}" for x, y, _ in points)
    dots = "".join(
        f'<circle cx="{x}" cy="{y}" r="{2 if verdict in ("", "passed") else 3.2}" stroke="{_BLUE}" '
        f'fill="{_BLUE if verdict in ("", "passed") else "#fff"}"/>'
        for x, y, verdict in points
    )
    words = f"p99 of {len(drawn)} runs: {', '.join(f'{value:.0f}' for value, _ in drawn)} ms"
    floor = '<path d="M0 27.5H110" stroke="#bbb"/>'
    drawing = f'<polyline points="{line}" fill="none" stroke="{_BLUE}"/>{dots}{floor}'
    return f'{_svg(110, 28, words)}{drawing}</svg><span class="crossing">{newest}</span>'


def _span(frame: pl.DataFrame) -> tuple[float, float]:
    begin, end = frame.select(pl.col("due").min(), pl.col("end").max()).row(0)
    return float(begin), max(float(end), float(begin) + 0.001)


def _x(at: float, begin: float, end: float) -> float:
    return round(min(max((at - begin) / (end - begin), 0.0), 1.0) * _WIDTH, 1)


def _bar(x: float, low: float, height: float, width: float) -> str:
    return f"M{x:.1f} {_HEIGHT - low:.1f}v{-height:.1f}h{width - 0.6:.1f}v{height:.1f}z"


def _svg(width: int, height: int, words: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'role="img" aria-label="{words}"><title>{words}</title>'
    )
