"""A small picture of a scenario: one lane per request, faults as shaded windows, seconds from the scenario's start.

Readable in print and by the colour-blind: whatever a colour says, a shape says too (colours: Okabe and Ito).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from xml.sax.saxutils import escape

from support.records import RequestRecord, Status

MOST_LANES = 60
"""Of more requests only the first are drawn, those with an error before the others; the picture says so."""


@dataclass(frozen=True)
class FaultMark:
    """When a fault was there. Times are seconds on CLOCK_MONOTONIC, as in the records."""

    name: str
    """As in "killed", "paused", "cut off"."""
    target: str
    began_at: float
    ended_at: float | None = None
    """None: it was still there at the end of the picture. For something that just happens, as a kill: `began_at`."""
    healing_at: float | None = None
    """When taking it back began: it may have ended at any time from then on. None where nothing was taken back."""
    done_at: float | None = None
    """When doing it was over: it may have begun at any time until then. None for what just happens."""
    slows_clients: bool = False
    """See `support.faults.Fault`."""


def timeline_svg(
    records: Sequence[RequestRecord], faults: Sequence[FaultMark], *, start: float, end: float, title: str
) -> str:
    """The picture, as the text of an SVG document. start, end: of the scenario, seconds on CLOCK_MONOTONIC."""
    drawn = _drawn(records)
    place = _Place(start=start, end=max(end, start + 0.001), faults=len(faults), lanes=max(len(drawn), 1))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {place.size} viewBox="0 0 {_WIDTH} {place.height}" {_FONT}>',
        f"<title>{_text(title)}</title>{_HATCHING}",
        f'<rect {place.size} fill="#fff"/>',
        f'<text x="12" y="20" font-size="14" font-weight="bold">{_text(_cut(title, 120))}</text>',
        *_axis(place),
        *(part for row, fault in enumerate(faults) for part in _fault(fault, row, place)),
        *(part for lane, record in enumerate(drawn) for part in _lane(record, lane, place, _densest(drawn, place))),
        *_notes(len(records), len(drawn), place),
        *_legend(place),
        "</svg>",
    ]
    return "\n".join(parts)


_WIDTH, _LEFT, _RIGHT = 960, 158, 150  # px; the right margin holds how each request ended
_TOP, _ROW, _LANE, _FOOT = 34, 17, 22, 62
_BIN = 3  # px; chunks that fall into one bin are one bar
_COLOURS: dict[Status, str] = {"completed": "#009E73", "cancelled": "#0072B2", "error": "#D55E00", "running": "#666"}
_FONT = 'font-family="Helvetica, Arial, sans-serif" font-size="11" fill="#222"'
_FAULT = "#CC79A7"
_HATCHING = (
    '<defs><pattern id="fault" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    f'<rect width="6" height="6" fill="{_FAULT}" fill-opacity=".16"/>'
    f'<path d="M0 0V6" stroke="{_FAULT}" stroke-opacity=".55"/></pattern></defs>'
)


class _Place(NamedTuple):
    """Where things are in the picture."""

    start: float
    end: float
    faults: int
    lanes: int

    @property
    def top(self) -> int:
        """Upper edge of the first lane."""
        return _TOP + self.faults * _ROW + 4

    @property
    def bottom(self) -> int:
        return self.top + self.lanes * _LANE

    @property
    def height(self) -> int:
        return self.bottom + _FOOT

    @property
    def size(self) -> str:
        return f'width="{_WIDTH}" height="{self.height}"'

    def x(self, at: float) -> float:
        """Where a time is, from left; one outside the picture is put at its edge."""
        share = (min(max(at, self.start), self.end) - self.start) / (self.end - self.start)
        return round(_LEFT + share * (_WIDTH - _LEFT - _RIGHT), 1)


def _drawn(records: Sequence[RequestRecord]) -> list[RequestRecord]:
    chosen = sorted(records, key=lambda record: (record.status != "error", record.started_at))[:MOST_LANES]
    return sorted(chosen, key=lambda record: record.started_at)


def _axis(place: _Place) -> Iterator[str]:
    span = place.end - place.start
    step = _step(span)
    for count in range(math.floor(span / step + 1e-9) + 1):
        x = place.x(place.start + count * step)
        yield f'<path d="M{x} {place.top}V{place.bottom + 4}" stroke="#ddd"/>'
        yield f'<text x="{x}" y="{place.bottom + 17}" text-anchor="middle">{count * step:g}</text>'
    yield f'<path d="M{_LEFT} {place.bottom}H{_WIDTH - _RIGHT}" stroke="#888"/>'
    yield f'<text x="{_WIDTH - _RIGHT + 14}" y="{place.bottom + 17}">seconds</text>'


def _step(span: float) -> float:
    """A round distance of 1, 2 or 5 that gives at most ten marks."""
    power = 10.0 ** math.floor(math.log10(span / 10))
    return next(power * factor for factor in (1, 2, 5, 10) if span / (power * factor) <= 10)


def _fault(fault: FaultMark, row: int, place: _Place) -> Iterator[str]:
    left, right = place.x(fault.began_at), place.x(place.end if fault.ended_at is None else fault.ended_at)
    top = _TOP + row * _ROW
    yield (
        f'<rect x="{left}" y="{top}" width="{max(right - left, 2):.1f}" height="{place.bottom - top}"'
        f' fill="url(#fault)" stroke="{_FAULT}"/>'
    )
    began = f"{fault.began_at - place.start:.1f}"
    until = "to the end" if fault.ended_at is None else f"to {fault.ended_at - place.start:.1f} s"
    when = f"at {began} s" if fault.ended_at == fault.began_at else f"{began} s {until}"
    anchor, x = ("end", left - 5) if left > (_LEFT + _WIDTH) / 2 else ("start", left + 5)
    words = _text(f"{fault.target} {fault.name}, {when}")
    halo = 'stroke="#fff" stroke-width="3" paint-order="stroke"'
    yield f'<text x="{x:.1f}" y="{top + 12}" text-anchor="{anchor}" font-weight="bold" {halo}>{words}</text>'


def _lane(record: RequestRecord, lane: int, place: _Place, densest: int) -> Iterator[str]:
    middle = place.top + lane * _LANE + _LANE // 2
    colour = _COLOURS[record.status]
    began, ended = place.x(record.started_at), place.x(place.end if record.ended_at is None else record.ended_at)
    name = _text(_cut(record.client or record.request_id, 22))
    yield f'<text x="{_LEFT - 10}" y="{middle + 4}" text-anchor="end">{name}</text>'
    yield f'<path d="M{began} {middle - 5}V{middle + 5}M{began} {middle}H{ended}" stroke="{colour}" fill="none"/>'
    if record.chunks:
        bars = "".join(
            f"M{x + _BIN / 2} {middle - height}V{middle + height}" for x, height in _bars(record, place, densest)
        )
        yield f'<path d="{bars}" stroke="{colour}" stroke-width="{_BIN - 1}" stroke-opacity=".75" fill="none"/>'
    if record.first_token_at is not None:
        x = place.x(record.first_token_at)
        yield f'<path d="M{x} {middle + 1}l-4 -8h8z" fill="#fff" stroke="#222"/>'
    yield _mark(record.status, ended, middle)
    yield f'<text x="{_WIDTH - _RIGHT + 14}" y="{middle + 4}">{_text(_ending(record))}</text>'


def _bins(record: RequestRecord, place: _Place) -> Counter[int]:
    return Counter(int(place.x(chunk.at) // _BIN) * _BIN for chunk in record.chunks)


def _densest(records: Sequence[RequestRecord], place: _Place) -> int:
    return max((count for record in records for count in _bins(record, place).values()), default=1)


def _bars(record: RequestRecord, place: _Place, densest: int) -> Iterator[tuple[int, float]]:
    for x, count in sorted(_bins(record, place).items()):
        yield x, round(2 + 5 * count / densest, 1)


def _ending(record: RequestRecord) -> str:
    if record.error_class == "http_status":
        return f"error: HTTP {record.http_status}"
    if record.status == "error":
        return _cut(f"error: {(record.error_class or 'unknown').replace('_', ' ')}", 24)
    return {"completed": "completed", "cancelled": "cancelled"}.get(record.status, "still running")


def _mark(status: Status, x: float, y: float) -> str:
    colour = _COLOURS[status]
    if status == "completed":
        return f'<circle cx="{x}" cy="{y}" r="5" fill="{colour}" stroke="#fff"/>'
    if status == "cancelled":
        return f'<rect x="{x - 5:.1f}" y="{y - 5}" width="10" height="10" fill="{colour}" stroke="#fff"/>'
    if status == "error":
        cross = f"M{x - 5:.1f} {y - 5}l10 10m0 -10l-10 10"
        return (
            f'<path d="{cross}" stroke="#fff" stroke-width="5"/><path d="{cross}" stroke="{colour}" stroke-width="3"/>'
        )
    return f'<path d="M{x - 4:.1f} {y - 5}l9 5l-9 5z" fill="#fff" stroke="{colour}"/>'


def _notes(all_of_them: int, drawn: int, place: _Place) -> Iterator[str]:
    if not all_of_them:
        yield f'<text x="{_LEFT + 8}" y="{place.top + 15}" fill="#666">no request was sent</text>'
    if drawn < all_of_them:
        yield f'<text x="12" y="{place.bottom + 17}" fill="#666">{drawn} of {all_of_them} requests</text>'


def _legend(place: _Place) -> Iterator[str]:
    y = place.bottom + 42
    yield f'<path d="M{_LEFT + 4} {y + 1}l-4 -8h8z" fill="#fff" stroke="#222"/>'
    yield f'<text x="{_LEFT + 14}" y="{y + 3}">first token</text>'
    yield f'<path d="M{_LEFT + 100} {y - 4}v8m3 -11v14m3 -10v6" stroke="#666" stroke-width="2" stroke-opacity=".7"/>'
    yield f'<text x="{_LEFT + 113}" y="{y + 3}">chunks (higher: more at once)</text>'
    marks: tuple[Status, ...] = ("completed", "cancelled", "error", "running")
    for position, status in enumerate(marks):
        x = _LEFT + 300 + position * 100
        yield _mark(status, x, y - 1)
        yield f'<text x="{x + 11}" y="{y + 3}">{"still running" if status == "running" else status}</text>'


def _cut(words: str, length: int) -> str:
    return words if len(words) <= length else words[: length - 1] + "…"


def _text(words: str) -> str:
    """Escaped, and without the control characters that XML does not allow."""
    return escape("".join(letter if letter.isprintable() else " " for letter in words))
