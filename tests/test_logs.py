"""Following a log that is written, rotated and truncated at the same time."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from support.errors import NotWithin
from support.logs import LogFollower, plain, poll_for_pattern


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "worker.log"


def append(log: Path, data: bytes) -> None:
    with log.open("ab") as file:
        file.write(data)


def test_a_line_that_is_there(log: Path) -> None:
    append(log, b"one\nRequest 17 cancelled\nthree\n")
    assert poll_for_pattern(str(log), r"Request (\d+) cancelled", timeout=1, interval=0.01)[1] == "17"


def test_a_line_that_comes_later_in_a_file_that_comes_later(log: Path) -> None:
    writer = threading.Timer(0.1, append, (log, b"Request 17 cancelled\n"))
    writer.start()
    assert poll_for_pattern(log, "cancelled", timeout=5, interval=0.01).string == "Request 17 cancelled"
    writer.join()


def test_no_such_line_says_the_last_ones(log: Path) -> None:
    append(log, b"".join(b"line %d\n" % number for number in range(20)) + b"half")
    with pytest.raises(NotWithin) as missed:
        poll_for_pattern(log, "cancelled", timeout=0.05, interval=0.01)
    assert "worker.log has a line that matches 'cancelled': not within 0.05 s" in str(missed.value)
    assert str(missed.value).endswith("the last lines:\n  line 16\n  line 17\n  line 18\n  line 19\n  half")


def test_no_file_and_an_empty_one_are_told_apart(log: Path) -> None:
    with pytest.raises(NotWithin, match=f"there is no file {log}"):
        poll_for_pattern(log, "x", timeout=0.02, interval=0.01)
    log.touch()
    with pytest.raises(NotWithin, match="an empty log"):
        poll_for_pattern(log, "x", timeout=0.02, interval=0.01)


def test_colours_do_not_hide_a_match(log: Path) -> None:
    append(log, b"\x1b[2m2026\x1b[0m \x1b[32m INFO\x1b[0m can\x1b[1mcelled\r\n")
    assert poll_for_pattern(log, "cancelled$", timeout=1).string == "2026  INFO cancelled"
    assert plain("\x1b]8;;http://x\x07link\x1b]8;;\x1b\\ \x1b[38;5;1mred\x1b[m\x1bM") == "link red"


def test_bytes_that_are_no_text(log: Path) -> None:
    append(log, b"\xff\xfe\x00 cancelled\n")
    assert poll_for_pattern(log, "cancelled", timeout=1).string == "\ufffd\ufffd\x00 cancelled"


def test_each_line_is_seen_once(log: Path) -> None:
    append(log, b"cancelled 1\nx\ncancelled 2\nlast\n")
    with LogFollower(log) as follower:
        assert follower.wait_for("cancelled", within=1).string == "cancelled 1"
        assert follower.wait_for("cancelled", within=1).string == "cancelled 2"
        assert follower.lines() == ["last"]
        assert follower.lines() == []
        append(log, b"more\n")
        assert follower.lines() == ["more"]


def test_each_byte_is_read_once(log: Path) -> None:
    append(log, b"x" * 100_000 + b"\n")
    with LogFollower(log) as follower:
        follower.lines()
        log.write_bytes(b"y" * 100_000 + b"\nmore\n")
        assert follower.lines() == ["more"], "what was read before was read again"


def test_only_what_comes_from_now_on(log: Path) -> None:
    append(log, b"old\n")
    with LogFollower(log, from_end=True) as follower:
        append(log, b"new\n")
        assert follower.lines() == ["new"]


def test_a_half_written_line_is_not_matched_before_its_end(log: Path) -> None:
    append(log, b"tokens=1")
    with LogFollower(log) as follower:
        assert follower.lines() == []
        append(log, b"23\n")
        assert follower.wait_for(r"tokens=(\d+)", within=1)[1] == "123"


def test_a_half_written_line_is_matched_when_the_time_is_up(log: Path) -> None:
    append(log, b"killed here: cancel")
    assert poll_for_pattern(log, "cancel", timeout=0.05, interval=0.01).string == "killed here: cancel"


def test_a_multibyte_character_cut_in_two(log: Path) -> None:
    encoded = "größer\n".encode()
    append(log, encoded[:3])
    with LogFollower(log) as follower:
        assert follower.lines() == []
        append(log, encoded[3:])
        assert follower.lines() == ["größer"]


def test_rotation_loses_nothing(log: Path) -> None:
    append(log, b"one\n")
    with LogFollower(log) as follower:
        assert follower.lines() == ["one"]
        append(log, b"two\nhalf")
        rotated = log.rename(log.with_suffix(".1"))
        assert follower.lines() == ["two"]
        append(rotated, b" whole\nlast")
        append(log, b"three\n")
        assert follower.lines() == ["half whole", "last", "three"]


def test_truncation_begins_anew(log: Path) -> None:
    append(log, b"one\ntwo\n")
    with LogFollower(log) as follower:
        assert follower.lines() == ["one", "two"]
        log.write_bytes(b"new\n")
        assert follower.lines() == ["new"]
