"""The timeline picture: well-formed, to scale, and it hides nothing."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from support.records import Chunk, ErrorClass, RequestRecord, Status
from support.report.timeline import MOST_LANES, FaultMark, timeline_svg

SVG = "{http://www.w3.org/2000/svg}"


def record(
    name: str = "r", *, status: Status = "completed", at: float = 100.0, error: ErrorClass | None = None
) -> RequestRecord:
    return RequestRecord(
        request_id=name,
        endpoint="completions",
        stream=True,
        model="m",
        max_tokens=2,
        prompt="1",
        started_at=at,
        first_token_at=at + 1,
        ended_at=None if status == "running" else at + 4,
        chunks=[Chunk(at=at + 1, text="1"), Chunk(at=at + 3, text="2")],
        status=status,
        error_class=error,
        http_status=503 if error == "http_status" else 200,
    )


def drawn(*records: RequestRecord, faults: tuple[FaultMark, ...] = ()) -> ElementTree.Element:
    return ElementTree.fromstring(timeline_svg(records, faults, start=100, end=110, title="A <title> & more\x00"))


def words(picture: ElementTree.Element) -> list[str]:
    return [text.text or "" for text in picture.iter(f"{SVG}text")]


def fault_window(picture: ElementTree.Element) -> tuple[float, float]:
    window = next(rect for rect in picture.iter(f"{SVG}rect") if rect.get("fill") == "url(#fault)")
    return float(window.get("x", "")), float(window.get("width", ""))


def test_any_text_is_well_formed() -> None:
    title = drawn(record("<&>\x1b[31m")).find(f"{SVG}title")
    assert title is not None
    assert title.text == "A <title> & more "


def test_time_is_to_scale_and_counted_from_the_start() -> None:
    left, width = fault_window(drawn(faults=(FaultMark("paused", "etcd-0", 105, 107.5),)))
    whole_left, whole_width = fault_window(drawn(faults=(FaultMark("paused", "etcd-0", 100, 110),)))
    assert left == pytest.approx(whole_left + whole_width / 2, abs=0.2)
    assert width == pytest.approx(whole_width / 4, abs=0.2)
    assert [word for word in words(drawn()) if word.isdigit()] == [str(second) for second in range(11)]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (FaultMark("paused", "etcd-0", 102, 104.25), "etcd-0 paused, 2.0 s to 4.2 s"),
        (FaultMark("killed", "vllm-worker-0", 102, 102), "vllm-worker-0 killed, at 2.0 s"),
        (FaultMark("cut off", "frontend-0", 102), "frontend-0 cut off, 2.0 s to the end"),
    ],
)
def test_a_fault_says_what_when_and_for_how_long(fault: FaultMark, said: str) -> None:
    assert said in words(drawn(record(), faults=(fault,)))


def test_each_ending_has_a_shape_of_its_own() -> None:
    statuses: tuple[Status, ...] = ("completed", "cancelled", "error", "running")
    pictures = {status: timeline_svg([record(status=status)], [], start=100, end=110, title="") for status in statuses}
    shapes: dict[Status, str] = {
        "completed": "<circle",
        "cancelled": 'width="10" height="10"',
        "error": "l10 10m0 -10l-10 10",
        "running": "l9 5l-9 5z",
    }
    for status, shape in shapes.items():
        counts = {other: picture.count(shape) for other, picture in pictures.items()}
        assert counts[status] == max(counts.values())
        assert counts[status] > min(counts.values()), f"{status} looks like the others"


def test_a_lane_says_how_its_request_ended() -> None:
    said = words(
        drawn(
            record(status="error", error="reset"), record(status="error", error="http_status"), record(status="running")
        )
    )
    assert {"error: reset", "error: HTTP 503", "still running"} <= set(said)


def test_errors_are_drawn_before_others_and_the_rest_is_counted() -> None:
    many = [record(f"ok-{number}", at=100 + number / 100) for number in range(MOST_LANES + 5)]
    said = words(drawn(*many, record("late-error", status="error", error="reset", at=109)))
    assert "late-error" in said
    assert f"{MOST_LANES} of {MOST_LANES + 6} requests" in said
    assert len([word for word in said if word.startswith("ok-")]) == MOST_LANES - 1


def test_a_scenario_without_requests_says_so() -> None:
    assert "no request was sent" in words(drawn())


def test_a_picture_of_no_length_is_still_one() -> None:
    assert "<svg" in timeline_svg([record()], [], start=100, end=100, title="at once")
