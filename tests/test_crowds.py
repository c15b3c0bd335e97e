"""Those who do not behave: they are what they are called, are known to be, and are gone when they are healed."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import patch

import pytest

from support.checkers import judge
from support.crowds import GeneratedAheadChecker, expect_ended_with_reason
from support.deployment import Component, Deployment
from support.errors import FaultError, UsageError
from support.faults import Fault, Stage, noisy_neighbour, slow_readers
from support.faults.noisy_neighbour import NoisyNeighbour
from support.faults.slow_readers import SlowReaders, SlowScrapers
from support.vitals import Vitals, vitals
from support.waiting import eventually
from support.world import World
from tests.made_records import record
from tests.serving import Exchange, HttpServer
from tests.test_checkers import context


class FakeTalker(HttpServer):
    """Talks until its client leaves, and knows how much it could say."""

    said = 0

    async def answer(self, exchange: Exchange) -> None:
        await exchange.start(200, "text/event-stream")
        while True:
            await exchange.say(b"x" * 1000)
            self.said += 1000
            await asyncio.sleep(0)


class FakeSilent(HttpServer):
    """Takes questions and never answers."""

    async def answer(self, exchange: Exchange) -> None:
        await exchange.left()


def readers(base_url: str, **parameters: str) -> Fault:
    deployment = SimpleNamespace(base_url=base_url, model="m")
    (crowd,) = SlowReaders.of(Stage(cast(Deployment, deployment), cast(Any, None), Path()), [], parameters)
    return crowd


def scrapers(base_url: str, **parameters: str) -> Fault:
    frontend, worker = (SimpleNamespace(name=name, metrics_url=f"{base_url}/metrics") for name in ("frontend-0", "w"))
    deployment = SimpleNamespace(of_role=lambda role: [frontend], workers=[worker])
    (crowd,) = SlowScrapers.of(Stage(cast(Deployment, deployment), cast(Any, None), Path()), [], parameters)
    return crowd


@pytest.mark.parametrize(("crowd", "size"), [(readers, 3), (scrapers, 4)])
def test_a_crowd_asks_and_lets_what_it_is_told_wait(crowd: Callable[..., Fault], size: int) -> None:
    asked = {"idle": "2", "slow": "1"} if crowd is readers else {"each": "2"}
    server = FakeTalker()
    with server as base_url:
        fault = crowd(base_url, **asked)
        fault.inject()
        try:
            assert f"bytes wait for {size} who do not read them" in fault.verify()
            eventually(lambda: not _grows(server), within=5, describe="the server must wait for those who do not read")
        finally:
            fault.heal()
            fault.heal()  # twice is once


def test_readers_that_are_healed_have_left() -> None:
    server = FakeTalker()
    with server as base_url:
        fault = readers(base_url, idle="2", slow="1")
        fault.inject()
        fault.heal()
        eventually(lambda: len(server.disconnects) == 3, within=5, describe="all of them have left")


def _grows(server: FakeTalker) -> bool:
    before = server.said
    time.sleep(0.2)
    return server.said > before


@pytest.mark.parametrize("crowd", [readers, scrapers])
def test_a_crowd_that_has_nothing_to_leave_unread_is_an_error(crowd: Callable[..., Fault]) -> None:
    with FakeSilent() as base_url, patch.object(slow_readers, "SEEN_WITHIN", 0.2):
        fault = crowd(base_url)
        fault.inject()
        try:
            with pytest.raises(FaultError, match=r"(16 of 16|40 of 40) have nothing to read"):
                fault.verify()
        finally:
            fault.heal()


@pytest.mark.parametrize("crowd", [readers, scrapers])
def test_a_crowd_that_is_not_let_in_is_an_error(crowd: Callable[..., Fault]) -> None:
    with FakeSilent() as base_url:
        pass
    fault = crowd(base_url)
    with pytest.raises(FaultError, match=r"could not be asked: .*refused"):
        fault.inject()
    fault.heal()


@pytest.mark.parametrize(
    ("crowd", "parameters", "says"),
    [
        (readers, {"idle": "some"}, "idle of the failure 'slow_readers' is 'some'"),
        (readers, {"each": "2"}, "'slow_readers' has no parameter 'each': it takes idle, slow, max_tokens"),
        (scrapers, {"idle": "2"}, "'slow_scrapers' has no parameter 'idle': it takes each"),
    ],
)
def test_a_crowd_of_an_unknown_kind_is_refused(
    crowd: Callable[..., Fault], parameters: Mapping[str, str], says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        crowd("http://nowhere", **parameters)


@pytest.fixture
def worker() -> Iterator[Component]:
    """That would like to work all the time."""
    program = [sys.executable, "-S", "-c", "while True: pass"]
    with subprocess.Popen(program, start_new_session=True) as process:
        yield component(process.pid)
        process.kill()


def component(pid: int) -> Component:
    return cast(Component, SimpleNamespace(name="w-0", pid=pid, vitals=lambda: vitals(pid)))


def noisy(worker: Component, *, count: int) -> NoisyNeighbour:
    return NoisyNeighbour(count * len(os.sched_getaffinity(0)), [worker])


def test_a_noisy_neighbour_makes_a_worker_wait_until_it_is_healed(worker: Component) -> None:
    neighbour = noisy(worker, count=2)
    neighbour.inject()
    busy = [one.pid for one in neighbour._busy]
    try:
        assert re.fullmatch(
            r"they run for \d\.\d\d s in each second, in which the threads of w-0 wait 0\.\d\d s for the CPU",
            neighbour.verify(),
        )
    finally:
        neighbour.heal()
    for process in busy:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)
    neighbour.heal()


@pytest.mark.parametrize(
    ("waits", "says"),
    [
        (0.0, r"w-0 waited longest, 0\.00 s in each second"),
        (60.0, r"together they ran for 0\.00 s in each second"),
    ],
    ids=["nobody waits", "who waits, waits for somebody else"],
)
def test_a_neighbour_that_nobody_feels_is_an_error(waits: float, says: str) -> None:
    waited = itertools.count(0.0, waits)
    worker = SimpleNamespace(name="w-0", vitals=lambda: Vitals(0, 0, 0, cpu_wait=next(waited)))
    neighbour = noisy(cast(Component, worker), count=0)
    neighbour.inject()
    with (
        patch.object(noisy_neighbour, "SEEN_WITHIN", 0.2),
        patch.object(noisy_neighbour, "_LOOKED", 0.1),
        pytest.raises(FaultError, match=rf"busy neighbours are felt: not within .* {says}"),
    ):
        neighbour.verify()
    neighbour.heal()


def ahead(path: Path, *counts: int) -> tuple[bool, str]:
    """What is said of two who did not read, at most 100 tokens ahead, when the engines gave up after so many."""
    logs = {"w-0": "\n".join(f"Aborted Request ID: r{n} after {n} tokens" for n in counts), "w-1": "all is well"}
    (said,) = judge([GeneratedAheadChecker(readers=2, at_most=100)], context(path, [record(0, 0.0)], logs=lambda: logs))
    return said.passed, said.saw


def test_an_engine_must_wait_for_those_who_do_not_read(tmp_path: Path) -> None:
    assert ahead(tmp_path / "a", 7, 100) == (True, "for 2 clients that did not read, between 7 and 100 tokens")
    assert not ahead(tmp_path / "b", 7, 101)[0]


@pytest.mark.parametrize("counts", [(), (7,), (7, 8, 9)])
def test_nobody_is_waited_for_unless_each_answer_was_given_up(counts: tuple[int, ...], tmp_path: Path) -> None:
    passed, saw = ahead(tmp_path, *counts)
    assert not passed
    assert saw == f"no data: the engines gave up {len(counts)} answers, 2 clients let theirs stand"


ROUTINE = "2026-11-24T10:00:00.000000Z  INFO runtime: shut down"
REASON = "2026-11-24T10:00:00.000000Z ERROR main: the model was not found"


def ended(how: str, log: str, told: str) -> World:
    """A world in which w-2 was started last, is now as `how` says, wrote `log`, and its starter was told `told`."""
    deployment = SimpleNamespace(
        casualties=lambda: {"w-2": how} if how else {},
        component=lambda name: SimpleNamespace(logs=lambda: log),
    )
    journal = SimpleNamespace(marks=[SimpleNamespace(target="w-2")], evidence={"w-2 started": told})
    return cast(World, SimpleNamespace(deployment=deployment, journal=journal, note=lambda what, value: None))


def test_the_reason_of_an_end_is_the_last_word_that_is_no_routine() -> None:
    world = ended("ended (with 1)", f"{ROUTINE}\n{REASON}\n{ROUTINE}\n", f"w-2 ended: {REASON}")
    expect_ended_with_reason(world, naming="not found", within=0.1)


@pytest.mark.parametrize(
    ("how", "log", "told", "says"),
    [
        ("", REASON, "w-2", "w-2 is running"),
        ("ended (with 0)", REASON, "w-2", r"w-2 ended \(with 0\)"),
        ("ended (with 1)", "", "w-2", "w-2 said nothing"),
        ("ended (with 1)", ROUTINE, "w-2", "w-2 said nothing"),
        ("ended (with 1)", "Killed", f"w-2: {REASON}", "the last words of w-2 do not name 'not found': 'Killed'"),
        ("ended (with 1)", REASON, f"one worker: {REASON}", "was not told its name"),
        ("ended (with 1)", REASON, "w-2 ended", "was not told its last words"),
    ],
)
def test_an_end_without_a_reason_that_was_told_is_a_broken_promise(how: str, log: str, told: str, says: str) -> None:
    with pytest.raises(AssertionError, match=says):
        expect_ended_with_reason(ended(how, log, told), naming="not found", within=0.1)
