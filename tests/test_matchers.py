"""Each way in which an answer can be wrong is seen, and said in words."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import pytest
from hamcrest import assert_that, is_, is_not
from hamcrest.core.matcher import Matcher
from hamcrest.core.string_description import StringDescription

from support.matchers import (
    RecordMatcher,
    complete_answer,
    counted_answer,
    ended_with_error,
    following,
    no_gap_longer_than,
    stopped_answer,
    was_cancelled,
)
from support.records import Chunk, RequestRecord, Usage


def record(numbers: Iterable[object] = range(6, 16), **changes: Any) -> RequestRecord:
    """Ten whole tokens after "5", one every 10 ms, unless changed."""
    chunks = [Chunk(at=100.0 + 0.01 * index, text=f" {number}") for index, number in enumerate(numbers)]
    whole = RequestRecord(
        request_id="0123456789",
        endpoint="chat/completions",
        stream=True,
        model="m",
        max_tokens=10,
        prompt="count from 5",
        started_at=99.9,
        ended_at=100.14,
        chunks=chunks,
        status="completed",
        http_status=200,
        finish_reason="length",
        usage=Usage(prompt_tokens=3, completion_tokens=10, total_tokens=13),
        done_mark=True,
    )
    return dataclasses.replace(whole, **changes)


def failed(error_class: str, error: str, **changes: Any) -> RequestRecord:
    return record(range(6, 9), status="error", error_class=error_class, error=error, **changes)


def complaint(matcher: RecordMatcher, about: RequestRecord) -> str:
    assert not matcher.matches(about)
    words = StringDescription()
    matcher.describe_mismatch(about, words)
    said = str(words)
    assert said.startswith("request 01234567: ")
    return said.removeprefix("request 01234567: ")


def test_a_complete_answer() -> None:
    assert_that(record(), complete_answer(10))
    assert_that(record(), is_(complete_answer(10, first=6)))
    assert_that(
        record(stream=False, done_mark=False, chunks=[Chunk(at=1, text="6 7 8 9 10 11 12 13 14 15")]),
        complete_answer(10),
    )


def test_chunks_may_carry_any_part_of_a_token() -> None:
    pieces = [Chunk(at=100, text=text) for text in ("6 7", " ", "8 9 1", "0 11 12", " 13 14", " 15")]
    assert_that(record(chunks=pieces), complete_answer(10))


@pytest.mark.parametrize(
    ("prompt", "first"),
    [
        ("5", 6),
        ("count from 31998", 31999),
        ("31999", 3),
        ("32000", 3),
        ("3", 4),
        ("2", 3),
        ("0", 3),
        ("007", 3),
        ("-5", 3),
        ("5.", 3),
        ("\N{ARABIC-INDIC DIGIT FIVE}", 3),
        ("", 3),
        ("5 hello", 3),
    ],
)
def test_the_prompt_says_where_counting_begins(prompt: str, first: int) -> None:
    assert following(prompt) == first


def test_counting_wraps() -> None:
    assert_that(record([31999, *range(3, 12)], prompt="31998"), complete_answer(10))
    assert complaint(complete_answer(10), record([31999, 3, *range(6, 12)], prompt="31998")) == "lost tokens 4-5"
    wrapped = record([*range(5, 12)], prompt="31998")
    assert complaint(complete_answer(10), wrapped) == "lost tokens 31999-4"


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ([6, 7, 10, 11, 12, 13, 14, 15], "lost tokens 8-9"),
        ([7, 8, 10, 11, 12, 13, 15], "lost tokens 6, 9, 14"),
        ([6, 7, 8, 8, 9, 10, 11, 12, 13, 14, 15], "repeated token 8"),
        ([6, 7, 8, 9, 8, 9, 10, 11, 12, 13, 14, 15], "repeated tokens 8-9"),
        ([6, 7, 9, 8, 10, 11, 12, 13, 14, 15], "out of order: 8"),
        ([6, 7, 8], "the last 7 of 10 tokens are missing (9-15)"),
        ([], "the last 10 of 10 tokens are missing (6-15)"),
        ([*range(6, 18)], "2 more or other than asked for: 16 17"),
        ([*range(6, 16), "oops"], "1 more or other than asked for: oops"),
        ([6, 7, 10, 10, 11, 12], "the last 3 of 10 tokens are missing (13-15); lost tokens 8-9; repeated token 10"),
    ],
)
def test_what_the_tokens_are_wrong_about(numbers: list[object], words: str) -> None:
    assert complaint(complete_answer(10), record(numbers)) == words


def test_a_missing_space_is_no_token() -> None:
    said = complaint(complete_answer(10), record([6, 7, 89, *range(10, 16)]))
    assert said == "lost tokens 8-9; 1 more or other than asked for: 89"


def test_long_lists_are_cut() -> None:
    said = complaint(complete_answer(40), record(range(6, 46, 2), usage=None))
    assert "lost tokens 7, 9, 11, 13, 15, 17, 19, 21 and 11 more runs" in said


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"finish_reason": "stop"}, "finish reason was 'stop', not 'length'"),
        ({"finish_reason": None}, "it ended without a finish reason"),
        ({"done_mark": False}, "stream ended without [DONE]"),
        ({"usage": None}, "the server reported no usage"),
        ({"usage": Usage(prompt_tokens=3, completion_tokens=1, total_tokens=4)}, "usage counts 1 token, not 10"),
        ({"status": "cancelled", "finish_reason": None, "usage": None}, "the client cancelled it"),
        (
            {"status": "error", "error_class": "truncated", "error": "the answer ended without a finish reason"},
            "stream ended after 240 ms: the answer ended without a finish reason",
        ),
        (
            {"status": "error", "error_class": "error_event", "error": "no worker"},
            "it ended in an error (error_event: no worker)",
        ),
    ],
)
def test_what_the_ending_is_wrong_about(changes: dict[str, Any], words: str) -> None:
    assert complaint(complete_answer(10), record(**changes)) == words
    assert complaint(counted_answer(10), record(range(10), **changes)) == words


def test_a_request_that_still_runs_is_no_answer() -> None:
    assert "it has not ended: running for" in complaint(complete_answer(10), record(status="running", ended_at=None))


def test_a_counted_answer() -> None:
    assert_that(record(["what"] * 10), counted_answer(10))
    assert complaint(counted_answer(10), record([])) == "0 tokens came, not 10"
    assert complaint(counted_answer(10), record(["what"] * 9)) == "9 tokens came, not 10"
    assert complaint(counted_answer(10), record(["what"] * 11)) == "11 tokens came, not 10"


def test_an_answer_that_stops() -> None:
    assert_that(record(range(6, 10), finish_reason="stop"), stopped_answer(4))
    assert complaint(stopped_answer(4), record(range(6, 10))) == "finish reason was 'length', not 'stop'"
    assert "lost token 7" in complaint(stopped_answer(4), record([6, 8, 9], finish_reason="stop"))
    assert "1 more or other" in complaint(stopped_answer(4), record(range(6, 11), finish_reason="stop"))


def test_the_longest_gap_is_found() -> None:
    slow = record()
    slow.chunks = [Chunk(at=100.0, text=" 6"), Chunk(at=103.0, text=" 7"), Chunk(at=104.5, text=" 8")]
    slow.ended_at = 104.6
    assert_that(slow, no_gap_longer_than(3.0))
    said = complaint(no_gap_longer_than(1), slow)
    assert (
        said == "the longest gap was 3.00 s, between tokens 1 and 2 ('6'), 0.10 s after the start, and 1 more above 1 s"
    )


def test_the_wait_for_the_end_is_a_gap() -> None:
    said = complaint(no_gap_longer_than(1), record(ended_at=107.09))
    assert said == "the longest gap was 7.00 s, between the last token ('15') and the end, 0.19 s after the start"


def test_no_tokens_show_no_gaps() -> None:
    assert complaint(no_gap_longer_than(1), record([])) == "no token came: completed after 0.24 s and 0 tokens"


def test_a_clear_error() -> None:
    assert_that(failed("error_event", "no worker"), ended_with_error(within=1))
    assert_that(failed("http_status", "503: too busy", http_status=503), ended_with_error(within=1))
    assert_that(failed("error_event", "no worker"), ended_with_error(within=0.1, since=100.1))


@pytest.mark.parametrize(
    ("about", "words"),
    [
        (record(status="running", ended_at=None), "it hung: running for"),
        (record(), "it completed: completed after 0.24 s and 10 tokens"),
        (record(status="cancelled"), "the client cancelled it: cancelled after 0.24 s and 10 tokens"),
        (
            failed("truncated", "x"),
            "it ended silently, without an error: error (truncated: x) after 0.24 s and 3 tokens",
        ),
        (failed("timeout", "x"), "it hung until the client gave up: error (timeout: x)"),
        (failed("reset", "x"), "the client was told no error: error (reset: x)"),
        (failed("http_status", "503: (no text)", http_status=503), "its error has no text: error (http_status: 503"),
    ],
)
def test_what_is_no_clear_error(about: RequestRecord, words: str) -> None:
    assert complaint(ended_with_error(), about).startswith(words)


def test_a_clear_error_that_is_late() -> None:
    late = failed("error_event", "no worker", ended_at=109.9)
    assert complaint(ended_with_error(within=5), late) == "it ended 10.00 s after the start, not within 5 s"
    assert complaint(ended_with_error(within=5, since=101.9), late) == "it ended 8.00 s after the fault, not within 5 s"


def test_a_cancelled_request() -> None:
    assert_that(record(status="cancelled"), was_cancelled())
    assert complaint(was_cancelled(), record()) == "it was not cancelled: completed after 0.24 s and 10 tokens"


def test_a_failed_assertion_reads_well() -> None:
    with pytest.raises(AssertionError) as failure:
        assert_that(record([6, 7, 10]), is_(complete_answer(10)))
    assert "Expected: a complete answer: each of 10 tokens once, in order" in str(failure.value)
    assert "but: request 01234567: the last 5 of 10 tokens are missing (11-15); lost tokens 8-9" in str(failure.value)
    never: Matcher[RequestRecord] = is_not(complete_answer(10))
    with pytest.raises(AssertionError, match="request 01234567: completed after"):
        assert_that(record(), never)
