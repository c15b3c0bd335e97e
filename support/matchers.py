"""What an answer must be: hamcrest matchers of request records, which say in plain words what was wrong."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterable

from hamcrest.core.base_matcher import BaseMatcher
from hamcrest.core.description import Description

from support.recording import outcome
from support.records import RequestRecord
from support.waiting import scaled

Faults = list[str]
"""What is wrong with a record, one clause each; empty when nothing is."""

FIRST_TOKEN, LAST_TOKEN = 3, 31999
"""Tokens that the counting engine's model can say; after the last it goes on with the first."""

_SHOWN = 8  # runs of tokens or stray words that one clause lists


class RecordMatcher(BaseMatcher[RequestRecord]):
    """Matches records in which `faults` finds none."""

    def __init__(self, promise: str, faults: Callable[[RequestRecord], Faults]) -> None:
        self._promise = promise
        self._faults = faults

    def _matches(self, item: RequestRecord) -> bool:
        return not self._faults(item)

    def describe_to(self, description: Description) -> None:
        description.append_text(self._promise)

    def describe_mismatch(self, item: RequestRecord, mismatch_description: Description) -> None:
        what = "; ".join(self._faults(item)) or f"{outcome(item)}, as described"
        mismatch_description.append_text(f"request {item.request_id[:8]}: {what}")

    def describe_match(self, item: RequestRecord, match_description: Description) -> None:
        match_description.append_text(f"request {item.request_id[:8]}: {outcome(item)}")


def complete_answer(tokens: int, *, first: int | None = None) -> RecordMatcher:
    """The counting engine's whole answer: each of the `tokens` numbers after the prompt's last one, once, in order.

    Also: completed, with [DONE] when streamed, finish reason "length", and usage that counts `tokens`.
    first: the first number of the answer; None: as the prompt says (one that ends in no number is answered from 3 on).
    """

    def faults(record: RequestRecord) -> Faults:
        begin = following(record.prompt) if first is None else first
        return [*continuity_faults(record.text, begin, tokens), *_ending_faults(record, tokens)]

    return RecordMatcher(f"a complete answer: each of {tokens} tokens once, in order", faults)


def stopped_answer(tokens: int) -> RecordMatcher:
    """The counting engine's answer up to a stop that the client wished for: so many tokens, finish reason "stop"."""

    def faults(record: RequestRecord) -> Faults:
        stops = [] if record.finish_reason == "stop" else [f"finish reason was {record.finish_reason!r}, not 'stop'"]
        return [*continuity_faults(record.text, following(record.prompt), tokens), *_how_it_ended(record), *stops]

    return RecordMatcher(f"an answer that stops after {tokens} tokens", faults)


def counted_answer(tokens: int) -> RecordMatcher:
    """A whole answer of the mocker, whose numbers nobody knows beforehand: as many of them as `tokens`, and completed.

    It sees a lost or repeated token by the number of words, since every token of our model is one; their order it does
    not see.
    """

    def faults(record: RequestRecord) -> Faults:
        words = len(record.text.split())
        lacks = [] if words == tokens else [f"{_tokens(words, say=True)} came, not {tokens}"]
        return [*lacks, *_ending_faults(record, tokens)]

    return RecordMatcher(f"an answer of {tokens} tokens", faults)


def no_gap_longer_than(seconds: float) -> RecordMatcher:
    """No wait between two chunks, nor from the last to the end, is longer; the wait for the first does not count.

    seconds: scaled by the run's timeout_scale. A record without chunks does not match: nothing shows that it holds.
    """

    def faults(record: RequestRecord) -> Faults:
        limit = scaled(seconds)
        times = [chunk.at for chunk in record.chunks]
        if not times:
            return [f"no token came: {outcome(record)}"]
        times += [record.ended_at] if record.ended_at is not None else []
        gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
        longest = max(gaps, default=0.0)
        if longest <= limit:
            return []
        count = sum(gap > limit for gap in gaps)
        others = f", and {count - 1} more above {limit:g} s" if count > 1 else ""
        return [f"the longest gap was {longest:.2f} s, {_place(gaps.index(longest), record)}{others}"]

    return RecordMatcher(f"an answer without a gap longer than {seconds:g} seconds", faults)


def ended_with_error(*, within: float | None = None, since: float | None = None) -> RecordMatcher:
    """The server told the client of an error, with text: an HTTP status of 400 or more or an error event.

    within: seconds (scaled) from `since` (CLOCK_MONOTONIC; None: the start of the request) to its end.
    A stream that just ends, a connection that just breaks and one that stays silent are no clear errors.
    """
    origin = "the start" if since is None else "the fault"
    bound = "" if within is None else f" within {within:g} seconds of {origin}"

    def faults(record: RequestRecord) -> Faults:
        if record.ended_at is None:
            return [f"it hung: {outcome(record)}"]
        unclear = _unclear(record)
        took = record.ended_at - (record.started_at if since is None else since)
        if within is not None and took > scaled(within):
            unclear.append(f"it ended {took:.2f} s after {origin}, not within {scaled(within):g} s")
        return unclear

    return RecordMatcher(f"a request that ends with a clear error{bound}", faults)


def was_cancelled() -> RecordMatcher:
    """The client closed the connection before the answer had ended."""
    return RecordMatcher(
        "a request that its client cancelled",
        lambda record: [] if record.status == "cancelled" else [f"it was not cancelled: {outcome(record)}"],
    )


def following(prompt: str) -> int:
    """The token that the counting engine says first after a prompt: the one after its last number, 3 without one."""
    words = prompt.split()
    number = int(words[-1]) if words and re.fullmatch(r"[1-9][0-9]{0,4}", words[-1]) else FIRST_TOKEN - 1
    return number + 1 if FIRST_TOKEN <= number < LAST_TOKEN else FIRST_TOKEN


def continuity_faults(text: str, first: int, tokens: int) -> Faults:
    """What lacks, repeats, strays or is disordered in a text that should count `tokens` numbers up from `first`."""
    size = LAST_TOKEN - FIRST_TOKEN + 1
    place = {(first - FIRST_TOKEN + index) % size + FIRST_TOKEN: index for index in range(tokens)}
    words = text.split()
    known = [place[int(word)] for word in words if _is_token(word) and int(word) in place]
    strays = [word for word in words if not (_is_token(word) and int(word) in place)]
    counts = Counter(known)
    tail = max(counts, default=-1) + 1  # everything from here on is missing

    def name(places: Iterable[int]) -> str:
        return _runs(sorted(places), lambda index: str((first - FIRST_TOKEN + index) % size + FIRST_TOKEN))

    faults = []
    if tail < tokens:
        left = tokens - tail
        faults.append(f"the last {left} of {tokens} tokens are missing ({name(range(tail, tokens))})")
    if lost := [index for index in range(tail) if index not in counts]:
        faults.append(f"lost {_tokens(len(lost))} {name(lost)}")
    if repeated := [index for index, count in counts.items() if count > 1]:
        faults.append(f"repeated {_tokens(len(repeated))} {name(repeated)}")
    if disordered := _disordered(list(dict.fromkeys(known))):
        faults.append(f"out of order: {name(disordered)}")
    if strays:
        shown = " ".join(strays[:_SHOWN]) + (" ..." if len(strays) > _SHOWN else "")
        faults.append(f"{len(strays)} more or other than asked for: {shown}")
    return faults


def _ending_faults(record: RequestRecord, tokens: int) -> Faults:
    faults = _how_it_ended(record)
    if record.finish_reason not in (None, "length"):
        faults.append(f"finish reason was {record.finish_reason!r}, not 'length'")
    elif record.finish_reason is None and record.status == "completed":
        faults.append("it ended without a finish reason")
    if record.usage and record.usage.completion_tokens != tokens:
        faults.append(f"usage counts {_tokens(record.usage.completion_tokens, say=True)}, not {tokens}")
    elif not record.usage and record.status == "completed" and record.endpoint != "kserve":  # which has no usage
        faults.append("the server reported no usage")
    return faults


def _how_it_ended(record: RequestRecord) -> Faults:
    if record.ended_at is None:
        return [f"it has not ended: {outcome(record)}"]
    if record.status == "cancelled":
        return ["the client cancelled it"]
    if record.error_class == "truncated":
        took = (record.ended_at - record.started_at) * 1000
        return [f"{'stream' if record.stream else 'request'} ended after {took:.0f} ms: {record.error}"]
    if record.status != "completed":
        return [f"it ended in an error ({record.error_class}: {record.error})"]
    if record.stream and not record.done_mark:
        return ["stream ended without [DONE]"]
    return []


def _unclear(record: RequestRecord) -> Faults:
    if record.status == "completed":
        return [f"it completed: {outcome(record)}"]
    if record.status == "cancelled":
        return [f"the client cancelled it: {outcome(record)}"]
    match record.error_class:
        case "http_status" | "error_event":
            told = (record.error or "").removeprefix(f"{record.http_status}:").strip()
            return [] if told not in ("", "(no text)") else [f"its error has no text: {outcome(record)}"]
        case "truncated":
            return [f"it ended silently, without an error: {outcome(record)}"]
        case "timeout":
            return [f"it hung until the client gave up: {outcome(record)}"]
        case _:
            return [f"the client was told no error: {outcome(record)}"]


def _place(index: int, record: RequestRecord) -> str:
    chunks = record.chunks
    at = f"{chunks[index].at - record.started_at:.2f} s after the start"
    if index == len(chunks) - 1:
        return f"between the last token ({chunks[index].text.strip()!r}) and the end, {at}"
    return f"between tokens {index + 1} and {index + 2} ({chunks[index].text.strip()!r}), {at}"


def _disordered(places: list[int]) -> list[int]:
    """Those that come after a later one."""
    furthest, late = -1, []
    for index in places:
        if index < furthest:
            late.append(index)
        furthest = max(furthest, index)
    return late


def _runs(places: list[int], name: Callable[[int], str]) -> str:
    """ "87-91, 95" of places that are in order."""
    runs: list[list[int]] = []
    for index in places:
        if runs and index == runs[-1][1] + 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    said = [name(begin) if begin == end else f"{name(begin)}-{name(end)}" for begin, end in runs[:_SHOWN]]
    return ", ".join(said) + (f" and {len(runs) - _SHOWN} more runs" if len(runs) > _SHOWN else "")


def _is_token(word: str) -> bool:
    return re.fullmatch(r"[1-9][0-9]{0,4}", word) is not None


def _tokens(count: int, *, say: bool = False) -> str:
    noun = "token" if count == 1 else "tokens"
    return f"{count} {noun}" if say else noun
