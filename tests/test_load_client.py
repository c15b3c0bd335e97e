"""The load client against real servers: what it sends, what it records, and how it ends."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.errors import DeploymentError, UsageError
from support.load import client
from support.load.plan import Fixed, Lengths, LoadPlan, arrivals, leaves_after
from support.load.run import LoadRun
from support.results import Results
from support.settings import ROOT
from support.waiting import eventually
from tests.fake_frontend import FakeFrontend
from tests.serving import Exchange, HttpServer


@pytest.fixture(scope="module")
def frontend() -> Iterator[str]:
    with FakeFrontend() as url:
        yield url


def records(folder: Path) -> list[dict[str, Any]]:
    lines = [line for file in sorted(folder.glob("records-*.jsonl")) for line in file.read_text().splitlines()]
    return [json.loads(line) for line in lines]


def ran(plan: LoadPlan, folder: Path, *, requests: int | None = None) -> Results:
    """Run it until it is done, or until so many requests have ended and it is stopped."""
    run = LoadRun(plan, folder)
    run.start()
    try:
        if requests is None:
            run.wait(within=30)
        else:
            run.wait_for(lambda now: now.ended >= requests, within=30, describe="they have ended")
            run.stop()
    finally:
        run.abort()
    return Results(folder)


@pytest.mark.parametrize("endpoint", ["completions", "chat/completions"])
@pytest.mark.parametrize("stream", [True, False])
def test_the_guides_client_gives_its_results(endpoint: Any, stream: bool, frontend: str, tmp_path: Path) -> None:
    results = client(
        base_url=frontend,
        num_clients=4,
        requests_per_client=3,
        model="m",
        max_tokens=12,
        log_dir=str(tmp_path),
        endpoint=endpoint,
        stream=stream,
        continuity=True,
    )
    assert (results["requests"], results["success_rate"], results["never_sent"]) == (12, 100.0, 0)
    assert (results["tokens"], results["tokens_lost"], results["unjudged"]) == (144, 0, 0)
    assert {(one["client"], one["turn"]) for one in records(tmp_path)} == {(c, t) for c in range(4) for t in range(3)}
    assert {one["endpoint"] for one in records(tmp_path)} == {endpoint}


def test_a_record_has_its_times_in_order_and_a_gap_for_each_chunk_but_the_first(frontend: str, tmp_path: Path) -> None:
    before = time.time()
    ran(LoadPlan(base_url=frontend, model="m", max_tokens=Fixed(10), requests_per_client=1), tmp_path)
    (one,) = records(tmp_path)
    assert before < one["due"] <= one["start"] < one["headers"] <= one["first_token"] < one["end"] < time.time() + 0.1
    assert len(one["gaps_ms"]) == one["tokens"] - 1 == 9
    took = one["first_token"] + (sum(one["gaps_ms"]) + one["last_gap_ms"]) / 1000
    assert took == pytest.approx(one["end"], abs=0.001)
    assert (one["schema"], one["finish_reason"], one["done_mark"], one["text"]) == (2, "length", True, None)


def test_shards_together_send_what_one_alone_would(frontend: str, tmp_path: Path) -> None:
    asked = []
    for shards in (1, 3):
        plan = LoadPlan(
            base_url=frontend,
            model="m",
            rate=200,
            requests=60,
            shards=shards,
            max_tokens=Lengths("uniform 1 9"),
            seed=4,
        )
        results = ran(plan, tmp_path / str(shards))
        assert (results.overall.requests, results.never_sent, results.duplicated) == (60, 0, 0)
        asked.append(sorted((one["client"], one["max_tokens"]) for one in records(tmp_path / str(shards))))
    assert asked[0] == asked[1]


def test_equal_seeds_give_equal_schedules_and_others_do_not() -> None:
    def schedule(seed: int) -> list[float]:
        return [one.due for one in arrivals(LoadPlan(base_url="http://f", model="m", rate=10, requests=50, seed=seed))]

    assert schedule(1) == schedule(1) != schedule(2)
    assert schedule(1)[-1] == pytest.approx(5, rel=0.5)


class _Stalls(FakeFrontend):
    """Answers nobody for a second, once, after the first 20 requests."""

    async def answer(self, exchange: Exchange) -> None:
        import asyncio

        loop = asyncio.get_running_loop()
        if len(self.begun) == 20:
            self.until = loop.time() + 1.0
        await asyncio.sleep(max(0.0, getattr(self, "until", 0.0) - loop.time()))
        await super().answer(exchange)


def test_a_stall_is_seen_in_full_by_an_open_loop_and_hidden_by_a_closed_one(tmp_path: Path) -> None:
    with _Stalls() as url:
        opened = ran(
            LoadPlan(base_url=url, model="m", rate=50, requests=100, max_tokens=Fixed(2)), tmp_path / "open"
        ).overall
    with _Stalls() as url:
        closed = ran(
            LoadPlan(base_url=url, model="m", clients=1, requests_per_client=100, max_tokens=Fixed(2)),
            tmp_path / "closed",
        ).overall
    assert opened.p90_latency_ms is not None
    assert closed.p90_latency_ms is not None
    assert opened.p90_latency_ms > 400
    assert closed.p90_latency_ms < 200


class _Says(HttpServer):
    """Always the same."""

    def __init__(self, body: bytes, *, status: int = 200, kind: str = "text/event-stream", hangs: bool = False) -> None:
        super().__init__()
        self._said = (body, status, kind, hangs)

    async def answer(self, exchange: Exchange) -> None:
        body, status, kind, hangs = self._said
        await exchange.start(status, kind)
        await exchange.say(body)
        if hangs:
            await exchange.left()
        await exchange.end()


_TOKEN = b'data: {"choices": [{"index": 0, "text": "4", "finish_reason": null}]}\n\n'
_LAST = b'data: {"choices": [{"index": 0, "text": "", "finish_reason": "length"}]}\n\n'
_DONE = b"data: [DONE]\n\n"
WRONG = {
    "200 with no text": (_Says(_LAST + _DONE), "truncated"),
    "200 with nothing": (_Says(b""), "truncated"),
    "no finish reason": (_Says(_TOKEN + _DONE), "truncated"),
    "no end mark": (_Says(_TOKEN + _LAST), "truncated"),
    "an error event": (_Says(_TOKEN + b'data: {"error": {"message": "lost"}}\n\n' + _DONE), "error_event"),
    "no JSON": (_Says(b"data: nonsense\n\n"), "malformed"),
    "HTTP 503": (_Says(b'{"message": "busy"}', status=503, kind="application/json"), "http_status"),
    "silence": (_Says(_TOKEN, hangs=True), "timeout"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_no_whole_answer_is_recorded_as_an_error(wrong: str, tmp_path: Path) -> None:
    server, error = WRONG[wrong]
    with server as url:
        plan = LoadPlan(base_url=url, model="m", requests_per_client=1, max_tokens=Fixed(1), deadline=1.0)
        seen = ran(plan, tmp_path).overall
    assert (seen.requests, seen.completed) == (1, 0)
    assert [one["error_class"] for one in records(tmp_path)] == [error]


def test_nobody_there_is_an_error_of_its_own(tmp_path: Path) -> None:
    plan = LoadPlan(base_url="http://127.0.0.1:9", model="m", requests_per_client=1)
    assert ran(plan, tmp_path).overall.errors == {"connect": 1}


def test_stopping_lets_what_is_in_flight_end(tmp_path: Path) -> None:
    with FakeFrontend(tokens_per_second=50) as url:
        results = ran(LoadPlan(base_url=url, model="m", clients=5, max_tokens=Fixed(20)), tmp_path, requests=7)
    assert results.overall.requests >= 10
    assert results.overall.completed == results.overall.requests
    assert (results.never_sent, results.unfinished) == (0, 0)


def test_aborting_records_what_was_in_flight_as_cancelled(tmp_path: Path) -> None:
    with FakeFrontend(tokens_per_second=10) as url:
        run = LoadRun(LoadPlan(base_url=url, model="m", clients=5, max_tokens=Fixed(1000)), tmp_path)
        run.start()
        run.wait_for(lambda now: now.in_flight == 5, within=5, describe="all are in flight")
        run.abort()
    seen = Results(tmp_path).overall
    assert (seen.requests, seen.cancelled) == (5, 5)


def _leaving(url: str, **other: Any) -> LoadPlan:
    half: dict[str, Any] = {"leaving": 0.5, "leaving_after": Lengths("uniform 1 20"), "max_tokens": Fixed(40)}
    asked: dict[str, Any] = {"base_url": url, "model": "m", "rate": 100, "requests": 60, "seed": 2}
    return LoadPlan(**(asked | half | other))


@pytest.mark.parametrize("endpoint", ["completions", "chat/completions"])
def test_those_who_leave_hang_up_after_their_tokens_and_the_others_get_all(endpoint: Any, tmp_path: Path) -> None:
    server = FakeFrontend(tokens_per_second=100)
    with server as url:
        results = ran(_leaving(url, endpoint=endpoint), tmp_path)
        told = records(tmp_path)
        left = {one["request_id"]: one for one in told if one["leaves_after"] is not None}
        eventually(lambda: set(server.disconnects) == set(left), within=2, describe="the server has seen them leave")
    assert 20 <= len(left) <= 40
    assert set(server.ended) == {one["request_id"] for one in told} - set(left)
    for one in told:
        assert one["status"] == ("cancelled" if one["request_id"] in left else "completed"), one
        # What comes in one read with a client's last token is its own, too.
        expected = [40] if one["leaves_after"] is None else range(one["leaves_after"], one["leaves_after"] + 5)
        assert one["tokens"] in expected, one
        assert (one["lost"], one["repeated"], one["stray"], one["error_class"]) == (0, 0, 0, None)
    assert len({one["leaves_after"] for one in left.values()}) > 5
    seen = results.overall
    assert (seen.cancelled, seen.left, seen.completed) == (len(left), len(left), 60 - len(left))
    assert (seen.success_rate, seen.errors, seen.hung, seen.tokens_lost) == (100.0, {}, 0, 0)
    assert (results.unfinished, results.never_sent) == (0, 0)
    assert seen.max_silence_ms is not None
    assert seen.max_silence_ms < 1000


def test_the_same_requests_leave_in_equal_plans_however_many_send_them() -> None:
    def who(**other: Any) -> list[int | None]:
        plan = _leaving("http://f", **other)
        return [leaves_after(plan, client, turn) for client in range(50) for turn in range(2)]

    assert who() == who(shards=3) == who(rate=7) != who(seed=3)
    assert who(leaving=0.0) == [None] * 100
    assert None not in who(leaving=1.0)


def test_a_client_that_leaves_goes_on_with_its_next_request(frontend: str, tmp_path: Path) -> None:
    closed: dict[str, Any] = {"rate": None, "requests": None, "clients": 2, "requests_per_client": 5, "leaving": 1.0}
    results = ran(_leaving(frontend, **closed), tmp_path)
    assert (results.overall.requests, results.overall.left, results.duplicated) == (10, 10, 0)


def test_an_answer_that_was_whole_before_its_client_could_leave_was_not_left(frontend: str, tmp_path: Path) -> None:
    late = _leaving(frontend, leaving=1.0, leaving_after=Fixed(50), requests=5)
    seen = ran(late, tmp_path).overall
    assert (seen.completed, seen.left, seen.success_rate) == (5, 0, 100.0)


def test_an_error_before_its_client_could_leave_is_an_error(tmp_path: Path) -> None:
    server, error = WRONG["an error event"]
    with server as url:
        seen = ran(_leaving(url, leaving=1.0, leaving_after=Fixed(2), requests=3), tmp_path).overall
    assert (seen.errors, seen.left, seen.success_rate) == ({error: 3}, 0, 0.0)


def test_a_load_that_is_aborted_has_not_succeeded(tmp_path: Path) -> None:
    with FakeFrontend(tokens_per_second=10) as url:
        run = LoadRun(LoadPlan(base_url=url, model="m", clients=2, leaving=1.0, leaving_after=Fixed(500)), tmp_path)
        run.start()
        run.wait_for(lambda now: now.in_flight == 2, within=5, describe="all are in flight")
        run.abort()
    seen = Results(tmp_path).overall
    assert (seen.cancelled, seen.completed, seen.success_rate) == (2, 0, 0.0)


def _of_load(folder: Path) -> list[int]:
    told = subprocess.run(["pgrep", "-f", f"support.load.program {folder} "], capture_output=True, text=True).stdout
    return [int(pid) for pid in told.split()]


def test_a_client_that_is_killed_keeps_what_it_had(frontend: str, tmp_path: Path) -> None:
    run = LoadRun(LoadPlan(base_url=frontend, model="m", clients=8, max_tokens=Fixed(5)), tmp_path)
    run.start()
    run.wait_for(lambda now: now.ended >= 200, within=10, describe="some have ended")
    ended = run.progress.ended
    (pid,) = _of_load(tmp_path)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(DeploymentError, match="the load client ended with -9"):
        run.wait(within=5)
    run.kill()
    results = Results(tmp_path)
    assert results.overall.requests >= ended - 1
    assert results.killed
    assert results.overall.completed == results.overall.requests


def test_a_load_does_not_outlive_who_began_it(frontend: str, tmp_path: Path) -> None:
    program = (
        "import os\nfrom pathlib import Path\nfrom support.load.plan import *\nfrom support.load.run import LoadRun\n"
        f"run = LoadRun(LoadPlan(base_url={frontend!r}, model='m', clients=2), Path({str(tmp_path)!r}))\n"
        "run.start()\nrun.wait_for(lambda now: now.ended > 3, within=5, describe='begun')\nos.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT)
    eventually(lambda: not _of_load(tmp_path), within=5, describe="the shard has ended")
    assert json.loads((tmp_path / "end-0000.json").read_text())["how"] == "aborted"


def test_sessions_ask_in_order_and_go_on_from_what_was_said(frontend: str, tmp_path: Path) -> None:
    plan = LoadPlan(
        base_url=frontend,
        model="m",
        rate=50,
        requests=20,
        turns_per_session=4,
        prompt_tokens=Fixed(3),
        max_tokens=Fixed(2),
    )
    assert ran(plan, tmp_path).overall.tokens_lost == 0
    by_session: dict[int, list[dict[str, Any]]] = {}
    for one in records(tmp_path):
        by_session.setdefault(one["client"], []).append(one)
    assert sorted(by_session) == list(range(5))
    for turns in by_session.values():
        assert [one["turn"] for one in turns] == [0, 1, 2, 3]
        assert [one["prompt_tokens"] for one in turns] == [3, 8, 13, 18]
        assert all(later["start"] >= earlier["end"] for earlier, later in itertools.pairwise(turns))


def test_a_session_thinks_before_it_goes_on(frontend: str, tmp_path: Path) -> None:
    plan = LoadPlan(
        base_url=frontend, model="m", rate=20, requests=6, turns_per_session=3, think=0.2, max_tokens=Fixed(2)
    )
    assert ran(plan, tmp_path).overall.completed == 6
    assert all(one["start"] >= one["due"] for one in records(tmp_path))
    turns = sorted(((one["client"], one["turn"], one) for one in records(tmp_path)), key=lambda each: each[:2])
    pairs = [(a, b) for (client, _, a), (other, _, b) in itertools.pairwise(turns) if client == other]
    assert len(pairs) == 4
    assert all(later["start"] - earlier["end"] >= 0.2 for earlier, later in pairs)


@pytest.mark.parametrize("word", ["abort", "stop"])
def test_a_session_sends_nothing_new_once_it_is_told_to_end(word: str, tmp_path: Path) -> None:
    with FakeFrontend(tokens_per_second=50) as url:
        plan = LoadPlan(
            base_url=url, model="m", rate=100, requests=40, turns_per_session=20, max_tokens=Fixed(50), deadline=10
        )
        run = LoadRun(plan, tmp_path)
        run.start()
        run.wait_for(lambda now: now.in_flight == 2, within=5, describe="both sessions are in flight")
        getattr(run, word)()
    assert [one["turn"] for one in records(tmp_path)] == [0, 0]
    assert {one["status"] for one in records(tmp_path)} == {"cancelled" if word == "abort" else "completed"}


def test_a_trace_is_asked_for_as_it_was_recorded(frontend: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    told = [
        {"timestamp": 100 * n, "input_length": 600 + n, "output_length": 2 + n, "hash_ids": [7, n]} for n in range(3)
    ]
    trace.write_text("".join(json.dumps(one) + "\n" for one in told))
    ran(LoadPlan(base_url=frontend, model="m", trace=str(trace)), tmp_path / "load")
    seen = sorted(records(tmp_path / "load"), key=lambda one: one["client"])
    assert [(one["prompt_tokens"], one["tokens"]) for one in seen] == [(600, 2), (601, 3), (602, 4)]
    assert seen[2]["due"] - seen[0]["due"] == pytest.approx(0.2, abs=0.001)


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no URL": ({"base_url": "frontend"}, "no base URL"),
    "no clients": ({"clients": 0}, "clients of the load is 0"),
    "a negative rate": ({"rate": -1}, "rate of the load is -1"),
    "two loops": ({"rate": 5.0, "requests_per_client": 3}, "leave rate and trace out"),
    "requests of a closed loop": ({"requests": 3}, "say requests_per_client"),
    "an unknown endpoint": ({"endpoint": "embeddings"}, "unknown endpoint"),
    "more than all leave": (
        {"leaving": 1.5},
        r"leaving of the load is 1.5: it is a share of its requests, from 0 to 1",
    ),
    "fewer than none leave": ({"leaving": -0.1}, "leaving of the load is -0.1"),
    "leaving what comes in one piece": ({"leaving": 0.5, "stream": False}, "say stream=True"),
    "rate and trace": ({"rate": 1.0, "trace": "x"}, "either a rate or a trace"),
}


@pytest.mark.parametrize("bad", BAD)
def test_a_plan_that_contradicts_itself_is_refused(bad: str) -> None:
    wrong, words = BAD[bad]
    with pytest.raises(UsageError, match=words):
        LoadPlan(**({"base_url": "http://f", "model": "m"} | wrong))


@pytest.mark.parametrize("text", ["many", "0", "uniform 5", "lognormal 1", ""])
def test_lengths_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no number of tokens"):
        Lengths(text)


def test_a_folder_that_holds_a_load_is_not_overwritten(frontend: str, tmp_path: Path) -> None:
    plan = LoadPlan(base_url=frontend, model="m", requests_per_client=1)
    ran(plan, tmp_path)
    kept = records(tmp_path)
    with pytest.raises(UsageError, match="holds a load already"):
        LoadRun(plan, tmp_path).start()
    assert records(tmp_path) == kept


def test_a_trace_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("{}\n")
    with pytest.raises(UsageError, match="not in Mooncake's format"):
        list(arrivals(LoadPlan(base_url="http://f", model="m", trace=str(tmp_path / "t"))))
    with pytest.raises(UsageError, match="cannot be read"):
        list(arrivals(LoadPlan(base_url="http://f", model="m", trace=str(tmp_path / "none"))))
