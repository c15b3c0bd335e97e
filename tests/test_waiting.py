"""The one poller, on a clock of the test's own: time passes only in its waits."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support import waiting
from support.errors import DeploymentError, NotWithin
from support.waiting import eventually, narrate_to, scale_deadlines, scaled


class FakeClock:
    """Stands in for the module `time` and for the event on which the poller waits."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.waits: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def wait(self, timeout: float) -> None:
        self.waits.append(timeout)
        self.now += timeout


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    fake = FakeClock()
    monkeypatch.setattr(waiting, "time", fake)
    monkeypatch.setattr(waiting, "_never", fake)
    return fake


@pytest.fixture
def twice_as_long() -> Iterator[None]:
    scale_deadlines(2.0)
    yield
    scale_deadlines(1.0)


def test_the_answer_is_returned_at_once(clock: FakeClock) -> None:
    assert eventually(lambda: "seen", within=1, describe="it is seen") == "seen"
    assert clock.waits == []


def test_it_asks_until_the_answer_is_true(clock: FakeClock) -> None:
    answers = iter([0, None, "", 7])
    assert eventually(lambda: next(answers), within=1, describe="it counts", interval=0.25) == 7
    assert clock.waits == [0.25, 0.25, 0.25]


def test_the_deadline_is_kept_and_the_last_look_is_at_it(clock: FakeClock) -> None:
    looks: list[float] = []

    def look() -> bool:
        looks.append(clock.now - 1000)
        return False

    with pytest.raises(NotWithin, match=r"^the door opens: not within 1 s; last seen: False$"):
        eventually(look, within=1, describe="the door opens", interval=0.4)
    assert looks == pytest.approx([0, 0.4, 0.8, 1.0])


def test_no_time_is_one_look(clock: FakeClock) -> None:
    assert eventually(lambda: True, within=0, describe="now")
    with pytest.raises(NotWithin, match="not within 0 s"):
        eventually(lambda: False, within=0, describe="now")
    assert clock.waits == []


@pytest.mark.usefixtures("twice_as_long")
def test_deadlines_are_scaled(clock: FakeClock) -> None:
    assert scaled(3) == 6
    with pytest.raises(NotWithin, match="not within 2 s"):
        eventually(lambda: False, within=1, describe="it is")
    assert clock.now == pytest.approx(1002)


@pytest.mark.parametrize(
    "not_yet", [AssertionError("1 of 2"), ConnectionError("refused"), KeyError("worker"), IndexError("empty")]
)
def test_a_probe_may_say_not_yet_and_why(not_yet: Exception) -> None:
    answers = iter([not_yet, not_yet])

    def probe() -> bool:
        for error in answers:
            raise error
        return True

    assert eventually(probe, within=1, describe="it answers")

    def refuses() -> bool:
        raise not_yet

    with pytest.raises(NotWithin) as failed:
        eventually(refuses, within=1, describe="it answers")
    assert str(failed.value) == f"it answers: not within 1 s; last seen: {type(not_yet).__name__}: {not_yet}"


@pytest.mark.parametrize("other", [DeploymentError("ended"), ValueError("no JSON"), KeyboardInterrupt()])
def test_other_exceptions_pass_through_at_once(other: BaseException, clock: FakeClock) -> None:
    def probe() -> bool:
        raise other

    with pytest.raises(type(other)):
        eventually(probe, within=60, describe="it answers")
    assert clock.waits == []


def test_the_error_and_its_words_can_be_chosen() -> None:
    with pytest.raises(DeploymentError, match="last seen: line 7 of the log"):
        eventually(
            lambda: None,
            within=1,
            describe="the log has it",
            error=DeploymentError,
            last_seen=lambda: "line 7 of the log",
        )


def test_only_the_last_thing_seen_is_told() -> None:
    seen = iter(["early", "late"])

    def probe() -> bool:
        raise AssertionError(next(seen, "latest"))

    with pytest.raises(NotWithin, match=r"last seen: AssertionError: latest$"):
        eventually(probe, within=1, describe="it is")


def test_a_long_wait_says_once_what_it_waits_for() -> None:
    told: list[str] = []
    stop = narrate_to(told.append)
    with pytest.raises(NotWithin):
        eventually(lambda: False, within=9.99978, describe="the worker is back")
    assert told == ["waiting up to 10 s: the worker is back"]
    stop()
    with pytest.raises(NotWithin):
        eventually(lambda: False, within=10, describe="the worker is back")
    assert len(told) == 1


def test_a_short_wait_says_nothing() -> None:
    told: list[str] = []
    stop = narrate_to(told.append)
    with pytest.raises(NotWithin):
        eventually(lambda: False, within=2.9, describe="it is")
    stop()
    assert told == []
