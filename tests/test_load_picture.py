"""The picture of a load: what is in it, and that it needs nothing from outside."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

from support.report.load_picture import load_svg
from support.results import Results
from tests.made_records import THREE, failed, folder, record, sampled


def picture(path: Path, *, title: str = "a load") -> str:
    made = [*(record(i, i * 0.2) for i in range(30)), failed(40, 2.5, status=503), failed(41, 2.6)]
    results = Results(folder(path, made, phases=THREE, fault=2.0))
    samples = sampled(path, "frontend-0", "migrations", {n: float(n) for n in range(5)})
    with samples.open("a") as file:
        file.write('{"at": 1')
    return load_svg(results, samples, title=title)


def words(svg: str) -> list[str]:
    return [
        "".join(each.itertext()).strip()
        for each in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")
    ]


def test_it_names_phases_faults_and_every_way_to_end(tmp_path: Path) -> None:
    said = words(picture(tmp_path))
    for wanted in ("STANDARD", "OVERFLOW", "RECOVERY", "completed", "http 500", "http 503", "migrations", "seconds"):
        assert wanted in said
    assert "w killed at 2.0 s" in said


def test_it_is_the_same_for_the_same_records_and_loads_nothing(tmp_path: Path) -> None:
    one, other = picture(tmp_path / "a"), picture(tmp_path / "b")
    assert one == other
    assert not re.search(r"(?:href|src)=\"(?!#)", one)
    assert "<script" not in one


def test_a_title_is_text_whatever_is_in_it(tmp_path: Path) -> None:
    assert "<b> & more" in words(picture(tmp_path, title="<b> & more"))


def test_a_load_without_one_answer_still_has_its_picture(tmp_path: Path) -> None:
    results = Results(folder(tmp_path, [failed(i, i * 0.1) for i in range(5)]))
    assert "http 500" in words(load_svg(results, None, title="nobody"))
