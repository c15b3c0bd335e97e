"""Server-sent events, however their bytes are cut."""

from __future__ import annotations

import pytest

from support.streams import Event, EventParser, error_text

STREAM = (
    b"\xef\xbb\xbf: hello\n\n"
    + "event: message\ndata: größer 漢字 🙂\nid: 7\nretry\n\ndata:a\r\ndata: b\r\n\r\n".encode()
    + b"event: error\r: gone wrong\r\rdata\n\ndata: last\n\n\n"
)
EVENTS = [
    Event("message", "größer 漢字 🙂", ""),
    Event("", "a\nb", ""),
    Event("error", "", "gone wrong"),
    Event("", "", ""),
    Event("", "last", ""),
]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 1000])
def test_any_cut_gives_the_same_events(size: int) -> None:
    parser = EventParser()
    pieces = [STREAM[at : at + size] for at in range(0, len(STREAM), size)]
    assert [event for piece in pieces for event in parser.feed(piece)] == EVENTS


def test_every_cut_in_two_gives_the_same_events() -> None:
    for at in range(len(STREAM)):
        parser = EventParser()
        assert parser.feed(STREAM[:at]) + parser.feed(b"") + parser.feed(STREAM[at:]) == EVENTS, f"cut at {at}"


def test_an_event_is_given_with_its_last_byte() -> None:
    parser = EventParser()
    assert parser.feed(b"data: x\r\n") == []
    assert parser.feed(b"\r") == [Event("", "x", "")]
    assert parser.feed(b"\ndata: y") == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"error": {"message": "a", "code": 500}}', "a"),
        ('{"error": "b"}', "b"),
        ('{"detail": [{"msg": "c"}]}', '[{"msg": "c"}]'),
        ("d\n", "d"),
        ("", "(no text)"),
    ],
)
def test_the_words_of_an_error(body: str, words: str) -> None:
    assert error_text(body) == words
