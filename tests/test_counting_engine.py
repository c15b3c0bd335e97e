"""The counting engine: its arithmetic and admission in Dynamo's own interpreter, its promises on real Dynamo."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hamcrest import all_of, assert_that, contains_string, equal_to, greater_than, is_, less_than

from support.deployment import Component
from support.errors import Unavailable
from support.local.deployment import LocalDeployment
from support.local.installed import dynamo_python
from support.matchers import complete_answer, ended_with_error
from support.requests import CancellableRequest, send_chat_completion_request, send_completion_request
from support.settings import DEFAULT_DYNAMO, ROOT
from support.spec import DeploymentSpec
from support.waiting import eventually
from tests.in_lab import in_lab, lab_process, target

ENGINE = ROOT / "support" / "engines" / "counting.py"
ONE_WORKER = DeploymentSpec(workers=1, slots=2, blocks=64)
PARTS = """
import asyncio, sys
from types import SimpleNamespace
sys.path.insert(0, sys.argv[1])
from counting import FIRST, VOCABULARY, CountingEngine, EngineShutdown, Slots, after

async def forever():
    await asyncio.Event().wait()

STAYS = SimpleNamespace(id=lambda: "one", async_killed_or_stopped=forever)

def asked(tokens):
    return {"token_ids": [100, 101, 102], "stop_conditions": {"max_tokens": tokens}}

def numbers():
    assert [after(token) for token in (FIRST, 1000, VOCABULARY - 2)] == [FIRST + 1, 1001, VOCABULARY - 1]
    assert [after(token) for token in (VOCABULARY - 1, 0, 1, 2)] == [FIRST] * 4
    assert after(10**9) == FIRST

async def order():
    slots = Slots(slots=2, blocks=10)
    await slots.take(4)
    await slots.take(4)
    tasks = [asyncio.ensure_future(slots.take(n)) for n in (6, 1)]
    await asyncio.sleep(0)
    assert (slots.running, slots.waiting, slots.used_blocks) == (2, 2, 8)
    slots.give_back(4)
    await asyncio.sleep(0)
    assert tasks[0].done() and not tasks[1].done(), "first come, first served"
    assert (slots.running, slots.waiting, slots.used_blocks) == (2, 1, 10)

async def large_one_first():
    slots = Slots(slots=9, blocks=10)
    await slots.take(8)
    large, small = (asyncio.ensure_future(slots.take(n)) for n in (5, 1))
    await asyncio.sleep(0)
    assert slots.waiting == 2, "a small one does not overtake a large one"
    large.cancel()
    await asyncio.gather(large, small, return_exceptions=True)
    assert (slots.running, slots.waiting, slots.used_blocks) == (2, 0, 9)

async def cancelled_when_admitted():
    slots = Slots(slots=1, blocks=10)
    await slots.take(1)
    turn = asyncio.ensure_future(slots.take(2))
    await asyncio.sleep(0)
    slots.give_back(1)
    turn.cancel()
    await asyncio.gather(turn, return_exceptions=True)
    assert (slots.running, slots.waiting, slots.used_blocks) == (0, 0, 0)

async def no_token_is_left():
    engine, _ = await CountingEngine.from_args(["--model-path", "x", "--model-name", "y"])
    (only,) = [chunk async for chunk in engine.generate(asked(0), STAYS)]
    assert (only["token_ids"], only["finish_reason"]) == ([], "length")

async def an_end_spares_nobody():
    argv = ["--model-path", "x", "--model-name", "y", "--slots", "1", "--seconds-to-begin", "60"]
    engine, _ = await CountingEngine.from_args(argv)
    asks = [asyncio.ensure_future(anext(engine.generate(asked(5), STAYS))) for _ in range(2)]
    async with asyncio.timeout(10):
        while (engine._slots.running, engine._slots.waiting) != (1, 1):
            await asyncio.sleep(0)  # each its turn
    engine.over.set()
    done = await asyncio.wait_for(asyncio.gather(*asks, return_exceptions=True), 10)
    assert [type(one) for one in done] == [EngineShutdown] * 2, "the one that begins, and the one that waits"

numbers()
for part in (order, large_one_first, cancelled_when_admitted, no_token_is_left, an_end_spares_nobody):
    asyncio.run(part())
print("all parts do")
"""


@pytest.fixture(scope="module", autouse=True)
def in_one_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with lab_process(tmp_path_factory.mktemp("lab")):
        yield


@contextmanager
def deployed(spec: DeploymentSpec = ONE_WORKER) -> Iterator[LocalDeployment]:
    """Inside."""
    deployment = target().deployment(spec)
    assert isinstance(deployment, LocalDeployment)
    try:
        yield deployment
        if not deployment.casualties():
            eventually(lambda: not deployment.in_flight(), within=2, describe="nothing is in flight")
    finally:
        target().release(deployment)


def test_its_parts() -> None:
    done = subprocess.run([python(), "-c", PARTS, str(ENGINE.parent)], capture_output=True, text=True)
    assert done.stdout == "all parts do\n", done.stderr[-2000:]


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        (("--tokens-per-second", "0"), "0 is not above 0"),
        (("--backend", "vlm"), "invalid choice: 'vlm'"),
        (("--slots", "many"), "invalid int value: 'many'"),
        ((), "required: --model-path, --model-name"),
    ],
)
def test_a_bad_option_is_told(option: tuple[str, ...], sentence: str) -> None:
    given = [*(["--model-path", "x", "--model-name", "y"] if option else []), *option]
    done = subprocess.run([python(), ENGINE, *given], capture_output=True, text=True)
    assert done.returncode != 0
    assert sentence in done.stderr


@in_lab
def test_it_counts_on_from_the_prompt() -> None:
    with deployed() as deployment:
        for prompt, first in (("1 2 3 4 1000", 1001), ("31998", 31999), ("31999", 3), ("7", 8)):
            record = ask(deployment, 5, prompt=prompt).finished(within=10)
            assert_that(record, complete_answer(5, first=first))
        chat = send_chat_completion_request(deployment.base_url, deployment.model, "500", 5, stream=True)
        assert_that(chat.finished(within=10), complete_answer(5, first=501))


@in_lab
def test_a_unary_answer_is_the_same_text_and_its_usage_is_counted() -> None:
    with deployed() as deployment:
        record = ask(deployment, 40, stream=False).finished(within=10)
        assert_that(record, complete_answer(40))
        assert record.usage
        assert_that((record.usage.prompt_tokens, record.usage.completion_tokens), equal_to((5, 40)))


@in_lab
def test_its_rate_is_what_was_asked_for() -> None:
    with deployed(ONE_WORKER.but(tokens_per_second=50)) as deployment:
        record = ask(deployment, 60).finished(within=20)
        took = record.chunks[-1].at - record.chunks[0].at
        assert_that(59 / took, all_of(greater_than(35), less_than(65)))


@in_lab
def test_it_can_be_slow_for_a_while_and_loses_nothing_by_it() -> None:
    with deployed() as deployment:
        (worker,) = deployment.workers
        stream = ask(deployment, 150)
        stream.wait_for_tokens(50)
        worker.slow_down()
        stream.wait_for_tokens(70)
        worker.speed_up()
        record = stream.finished(within=10)
        assert_that(record, complete_answer(150))
        usual, slow = (record.chunks[end].at - record.chunks[end - 10].at for end in (45, 65))
        assert_that(slow / usual, all_of(greater_than(6), less_than(14)))


@in_lab
def test_a_third_request_waits_for_one_of_two_slots() -> None:
    with deployed() as deployment:
        first, second = ask(deployment, 150), ask(deployment, 400)
        for request in (first, second):
            request.wait_for_tokens(1)
        third = ask(deployment, 5)
        gauges(deployment.workers[0], running=2, waiting=1)
        assert_that(third.record.chunks, equal_to([]))
        assert_that(third.finished(within=20), complete_answer(5))
        assert_that(first.record.status, equal_to("completed"))
        assert_that(second.record.status, equal_to("running"))
        assert_that(second.finished(within=20), complete_answer(400))
        gauges(deployment.workers[0], running=0, waiting=0)


@in_lab
def test_a_request_beyond_its_blocks_is_an_error_to_the_client_and_costs_others_nothing() -> None:
    with deployed() as deployment:
        assert_that(ask(deployment, 64 * 16).finished(within=10), ended_with_error())
        assert_that(ask(deployment, 64 * 16, stream=False).finished(within=10), ended_with_error())
        assert_that(ask(deployment, 20).finished(within=10), complete_answer(20))
        gauges(deployment.workers[0], running=0, waiting=0)


@in_lab
def test_a_queued_request_that_is_cancelled_leaves_the_queue() -> None:
    with deployed() as deployment:
        (worker,) = deployment.workers
        holders = [ask(deployment, 300) for _ in range(2)]
        for holder in holders:
            holder.wait_for_tokens(1)
        queued = ask(deployment, 5)
        gauges(worker, running=2, waiting=1)
        queued.cancel()
        gauges(worker, running=2, waiting=0)
        eventually(
            lambda: "after 0 tokens" in worker.logs(),
            within=2,
            describe="the worker says that it was aborted",
        )
        for holder in holders:
            assert_that(holder.finished(within=20), complete_answer(300))


@in_lab
def test_a_cancelled_request_frees_its_slot_and_is_told_in_the_log() -> None:
    with deployed() as deployment:
        (worker,) = deployment.workers
        before = worker.metrics().total("counting_engine_aborted_total")
        request = ask(deployment, 900)
        request.wait_for_tokens(20)
        request.cancel()
        gauges(worker, running=0, waiting=0)
        assert_that(worker.metrics().total("counting_engine_aborted_total") - before, equal_to(1))
        assert_that(worker.logs(), contains_string("Aborted Request ID: "))
        assert_that(worker.logs(), contains_string("Decode Request ID: "))


@in_lab
def test_a_cancelled_request_may_hold_its_slot_as_real_engines_do() -> None:
    with deployed(ONE_WORKER.but(slots=1, seconds_to_stop=1.0)) as deployment:
        request = ask(deployment, 900)
        request.wait_for_tokens(5)
        request.cancel()
        newcomer = ask(deployment, 5)
        gauges(deployment.workers[0], running=1, waiting=1)
        record = newcomer.finished(within=10)
        assert record.first_token_at
        assert request.cancelled_at
        assert_that(record.first_token_at - request.cancelled_at, greater_than(0.9))


@in_lab
def test_it_migrates_exactly() -> None:
    with deployed(DeploymentSpec(workers=2, migration_limit=3)) as deployment:
        requests = [ask(deployment, 200) for _ in range(4)]
        for request in requests:
            request.wait_for_tokens(20)
        deployment.serving_worker(requests[0].request_id).kill()
        for request in requests:
            assert_that(request.finished(within=20), complete_answer(200))
        assert_that(sum(worker.running for worker in deployment.workers), is_(1))


def ask(
    deployment: LocalDeployment, tokens: int, *, prompt: str = "1 2 3 4 1000", stream: bool = True
) -> CancellableRequest:
    return send_completion_request(deployment.base_url, deployment.model, prompt, tokens, stream=stream)


def gauges(worker: Component, *, running: int, waiting: int) -> None:
    """The engine comes to say so."""

    def told() -> bool:
        scrape = worker.metrics()
        names = ("counting_engine_running_requests", "counting_engine_waiting_requests")
        seen = tuple(int(scrape.total(name)) for name in names)
        assert seen == (running, waiting), f"running and waiting: {seen}"
        return True

    eventually(told, within=3, describe=f"{running} run and {waiting} wait")


def python() -> Path:
    """Dynamo's."""
    try:
        return dynamo_python(DEFAULT_DYNAMO)
    except Unavailable as missing:
        pytest.skip(f"needs Dynamo: {missing}")
