"""Questions that nobody can answer, against real servers on a free port; and the judgement of what they say."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from hamcrest import assert_that

from support import contract, refusals
from support.errors import UsageError
from support.refusals import FLAWS, REFUSALS, Answer, Question, Refused, TellsAProgram, ask, chat, completion, flawed
from support.waiting import scaled
from tests.serving import Exchange, HttpServer

FORM = {"message": "Model not found", "type": "Not Found", "code": 404}


class FakeRefuser(HttpServer):
    """Answers every question with that status and body, and keeps what was asked."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__()
        self._status, self._body = status, body
        self.asked: list[Exchange] = []

    async def answer(self, exchange: Exchange) -> None:
        self.asked.append(exchange)
        await exchange.start(self._status, "application/json")
        await exchange.end(self._body)


class FakeSilent(HttpServer):
    """Never answers."""

    async def answer(self, exchange: Exchange) -> None:
        await exchange.left()


class FakeWorld:
    """As much of a world as promises about HTTP use."""

    @dataclass
    class Deployment:
        base_url: str
        model: str = "counting"

    def __init__(self, base_url: str) -> None:
        self.deployment = self.Deployment(base_url)
        self.notes: dict[str, str] = {}

    def note(self, what: str, value: object) -> None:
        self.notes[what] = str(value)


@dataclass
class FakeComponent:
    name: str
    text: str

    def logs(self) -> str:
        return self.text


@pytest.fixture
def quick_to_give_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "HANGS_AFTER", 0.2)
    monkeypatch.setattr(contract, "WRITTEN_WITHIN", 0.1)


def test_the_whole_answer_is_read() -> None:
    server = FakeRefuser(404, json.dumps(FORM).encode())
    with server as url:
        answer = ask(url + "/", Question(body=b"{}"), request_id="mine")
    assert (answer.status, answer.form, answer.words) == (404, FORM, "Model not found")
    assert 0 < answer.took < scaled(5)
    assert answer.headers["content-type"] == "application/json"
    asked = server.asked[0]
    assert (asked.method, asked.target, asked.body) == ("POST", "/v1/completions", b"{}")
    assert (asked.headers["x-request-id"], asked.headers["content-type"]) == ("mine", "application/json")


def test_what_is_not_said_is_not_sent() -> None:
    server = FakeRefuser(415, b"")
    with server as url:
        answer = ask(url, Question(method="GET", content_type=None))
    assert {"content-type", "x-request-id"}.isdisjoint(server.asked[0].headers)
    assert (answer.form, answer.words) == (None, "(no text)")


@pytest.mark.usefixtures("quick_to_give_up")
def test_a_question_that_is_never_answered_is_a_broken_promise() -> None:
    with FakeSilent() as url, pytest.raises(AssertionError, match=r"no answer, after 0\.\d\d s: ReadTimeout"):
        ask(url, Question())


def test_a_connection_that_nobody_takes_is_a_broken_promise() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(AssertionError, match=r"no answer, after .*ConnectError"):
        ask(f"http://127.0.0.1:{port}", Question())


def sent(question: Question) -> dict[str, Any]:
    fields = json.loads(question.body)
    assert isinstance(fields, dict)
    return fields


def test_a_good_request_has_nothing_wrong() -> None:
    assert sent(completion("m")) == {"model": "m", "prompt": "1 2 3 4 1000", "max_tokens": 5}
    assert sent(chat("m"))["messages"] == [{"role": "user", "content": "1 2 3 4 1000"}]


@pytest.mark.parametrize("flaw", FLAWS)
def test_each_flaw_makes_another_request_than_a_good_one(flaw: str) -> None:
    made = [flawed(other, "m") for other in FLAWS if other != flaw]
    assert flawed(flaw, "m") not in [completion("m"), chat("m"), *made]


def test_flaws_are_what_they_are_called() -> None:
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        json.loads(flawed("is broken off", "m").body)
    with pytest.raises(UnicodeDecodeError):
        flawed("is no text", "m").body.decode()
    assert "model" not in sent(flawed("names no model", "m"))
    assert "prompt" not in sent(flawed("has no prompt", "m"))
    assert len(sent(flawed("is longer than the model can read", "m"))["prompt"].split()) == refusals.CONTEXT_LENGTH + 1
    assert len(flawed("is larger than 1 MB", "m").body) > 2**20
    assert sent(flawed("opens a chat with a model that nobody serves", "m"))["stream"] is True


def test_an_unknown_flaw_is_the_users_mistake() -> None:
    with pytest.raises(UsageError, match="no request 'is blue' is known: choose one of names a model"):
        flawed("is blue", "m")


def answered(status: int, body: str = json.dumps(FORM), took: float = 0.01) -> Answer:
    return Answer(status=status, body=body, took=took)


@pytest.mark.parametrize(("refusal", "status"), [(name, status) for name, all_ in REFUSALS.items() for status in all_])
def test_a_refusal_by_its_name_matches(refusal: str, status: int) -> None:
    assert_that(answered(status), Refused(refusal, within=1))


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (answered(200), r"its status is 200, not 404 \(200 after 10 ms: an answer\)"),
        (answered(500), r"its status is 500, not 404 \(500 after 10 ms: Model not found\)"),
        (answered(404, took=1.5), r"it took 1\.50 s"),
        (answered(503, took=1.5), r"not 404; it took 1\.50 s"),
    ],
)
def test_another_answer_does_not(answer: Answer, fault: str) -> None:
    with pytest.raises(AssertionError, match=fault):
        assert_that(answer, Refused("unknown", within=1))


def test_an_unknown_refusal_is_the_users_mistake() -> None:
    with pytest.raises(UsageError, match="no refusal is called 'rude'"):
        Refused("rude", within=1)


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("", "it is no JSON object: ''"),
        ("[1]", "it is no JSON object"),
        ("not found", "it is no JSON object: 'not found'"),
        (json.dumps(FORM | {"message": ""}), "it has no message"),
        (json.dumps({"message": "x", "code": 404}), "it has no type"),
        (json.dumps(FORM | {"code": 500}), "its code is 500, its status 404"),
    ],
)
def test_a_refusal_that_no_program_understands(body: str, fault: str) -> None:
    with pytest.raises(AssertionError, match=fault):
        assert_that(answered(404, body), TellsAProgram())
    assert_that(answered(404), TellsAProgram())


@contextmanager
def world(server: HttpServer) -> Iterator[Any]:
    with server as url:
        yield FakeWorld(url)


def rows(**refused_as: str) -> list[dict[str, str]]:
    return [{"a request that": flaw.replace("_", " "), "is refused as": name} for flaw, name in refused_as.items()]


def test_every_wrong_row_is_named() -> None:
    with world(FakeRefuser(404, b"{}")) as here:
        contract.expect_refusals(here, rows(names_no_model="unknown"), within=1)
        assert here.notes["a request that names no model"].startswith("404 after ")
        with pytest.raises(AssertionError) as broken:
            contract.expect_refusals(
                here, rows(is_empty="malformed", names_no_model="unknown", is_no_text="malformed"), within=1
            )
    assert [line.partition(":")[0] for line in str(broken.value).splitlines()] == [
        "a request that is empty",
        "a request that is no text",
    ]


def test_no_rows_are_no_verdict() -> None:
    with world(FakeRefuser(404, b"{}")) as here, pytest.raises(UsageError, match="the table names no request"):
        contract.expect_refusals(here, [], within=1)


@pytest.mark.parametrize(
    ("status", "said", "fault"),
    [
        (404, "{}", "the limit was not taken: 404"),
        (200, '{"thresholds": []}', "the limit was set to 0.5, the frontend says"),
        (200, '{"thresholds": [{"model": "counting", "active_decode_blocks_threshold": 0.9}]}', "was set to 0.5"),
    ],
)
def test_a_limit_that_does_not_hold_is_a_broken_promise(status: int, said: str, fault: str) -> None:
    with world(FakeRefuser(status, said.encode())) as here, pytest.raises(AssertionError, match=fault):
        contract.set_busy_threshold(here, 0.5)


def in_logs(*texts: str) -> None:
    made: list[Any] = [FakeComponent(f"worker-{number}", text) for number, text in enumerate(texts)]
    contract.expect_in_logs("order-1", made, of="one worker")


@pytest.mark.usefixtures("quick_to_give_up")
def test_a_name_is_in_one_log() -> None:
    in_logs("", "took order-1 up")
    with pytest.raises(AssertionError, match="order-1 is in the logs of worker-0, worker-1, not of one worker only"):
        in_logs("order-1", "order-1")
    with pytest.raises(AssertionError, match="order-1 is found in the log of one worker: not within"):
        in_logs("order-2", "")
