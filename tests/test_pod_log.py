"""The log of a component over breaks of its stream, restarts of its container and other pods of its name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from support.errors import DeploymentError
from support.kubernetes_target import log
from support.kubernetes_target.log import PodLog
from support.waiting import eventually

_BROKEN = "the stream breaks"


def line(second: int, text: str) -> bytes:
    return f"2026-11-24T10:00:{second:02}.000000000Z {text}\n".encode()


class FakeResponse:
    def __init__(self, parts: Sequence[bytes | str]) -> None:
        self._parts = parts

    def stream(self, **how: object) -> Iterator[bytes]:
        for part in self._parts:
            if isinstance(part, str):
                raise OSError(part)
            yield part

    def close(self) -> None: ...


class FakeCluster:
    """Its streams in turn, and the pod as it is after each of them."""

    def __init__(self, *streams: tuple[Sequence[bytes | str], Any]) -> None:
        self._streams = list(streams)
        self._pod: Any = None
        self.asked: list[dict[str, Any]] = []

    def log(self, namespace: str, pod: str, **how: Any) -> FakeResponse:
        self.asked.append(how)
        parts, self._pod = self._streams.pop(0)
        return FakeResponse(parts)

    def pod(self, namespace: str, name: str) -> Any:
        if isinstance(self._pod, list):
            self._pod = self._pod[0]
            raise DeploymentError("the cluster does not answer")
        return self._pod


def pod(uid: str, container: str, *, running: bool = True, before: str | None = None) -> Any:
    ended = SimpleNamespace(container_id=before) if before else None
    status = SimpleNamespace(
        name="main",
        container_id=container,
        state=SimpleNamespace(running=running),
        last_state=SimpleNamespace(terminated=ended),
    )
    return SimpleNamespace(
        metadata=SimpleNamespace(name="vllm-worker-0", uid=uid),
        status=SimpleNamespace(container_statuses=[status] if container else []),
    )


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "LOOKS_AGAIN", 0.01)


def kept(cluster: FakeCluster, folder: Path, *pods: Any, last: str, since: datetime | None = None) -> list[str]:
    """What is in the file when the last line is there."""
    follows = PodLog(cluster, "ns", "worker-0", folder / "log", since=since)  # type: ignore[arg-type]  # a fake
    for one in pods:
        follows.follow(one)
    try:
        eventually(lambda: last in (folder / "log").read_text(), within=5, describe=f"{last} is kept")
    finally:
        follows.close()
    return (folder / "log").read_text().splitlines()


def test_a_stream_that_breaks_is_taken_up_where_it_broke(tmp_path: Path) -> None:
    running = pod("u", "c1")
    cluster = FakeCluster(
        ([line(1, "one"), line(2, "two") + line(3, "three")[:-3], _BROKEN], [running]),
        ([line(1, "one") + line(2, "two"), line(3, "three"), line(4, "four")], None),
    )
    assert kept(cluster, tmp_path, running, last="four") == ["one", "two", "three", "four"]
    assert [how["follow"] for how in cluster.asked] == [True, True]
    assert cluster.asked[1]["since_seconds"] > 0


def test_what_a_container_wrote_last_is_read_when_another_has_followed_it(tmp_path: Path) -> None:
    cluster = FakeCluster(
        ([line(1, "one"), _BROKEN], pod("u", "c2", before="c1")),
        ([line(1, "one"), line(2, "last words")], pod("u", "c2", before="c1")),
        ([line(3, "three")], None),
    )
    assert kept(cluster, tmp_path, pod("u", "c1"), pod("u", "c2"), last="three") == ["one", "last words", "three"]
    assert cluster.asked[1]["previous"] is True


def test_what_a_container_wrote_last_is_read_when_none_has_followed_it(tmp_path: Path) -> None:
    ended = pod("u", "c1", running=False)
    cluster = FakeCluster(([line(1, "one"), _BROKEN], ended), ([line(1, "one"), line(2, "last words")], ended))
    assert kept(cluster, tmp_path, pod("u", "c1"), last="last words") == ["one", "last words"]
    assert "follow" not in cluster.asked[1]


@pytest.mark.parametrize("after", [pod("u2", "c2"), pod("u2", ""), None])
def test_another_pod_follows_in_the_same_file(tmp_path: Path, after: Any) -> None:
    cluster = FakeCluster(([line(1, "of one")], after), ([line(2, "of another")], None))
    one, other = pod("u", "c1"), pod("u2", "c2")
    assert kept(cluster, tmp_path, one, one, other, other, last="another") == ["of one", "of another"]


def test_a_pod_that_is_said_to_have_no_container_yet(tmp_path: Path) -> None:
    cluster = FakeCluster(([line(1, "one"), _BROKEN], pod("u", "")), ([line(2, "two")], None))
    assert kept(cluster, tmp_path, pod("u", "c1"), pod("u2", "c2"), last="two") == ["one", "two"]


def test_last_words_that_could_not_be_read_at_once_are_asked_for_again(tmp_path: Path) -> None:
    after = pod("u", "c2", before="c1")
    cluster = FakeCluster(
        ([line(1, "one"), _BROKEN], after),
        ([_BROKEN], after),
        ([line(1, "one"), line(2, "last words")], after),
        ([line(3, "three")], None),
    )
    assert kept(cluster, tmp_path, pod("u", "c1"), pod("u", "c2"), last="three") == ["one", "last words", "three"]


def test_what_was_written_before_is_left_out_whatever_the_zone_of_the_node(tmp_path: Path) -> None:
    def there(minute: int, text: str) -> bytes:
        return f"2026-11-24T05:{minute:02}:00.000000000-05:00 {text}\n".encode()

    cluster = FakeCluster(([there(0, "before"), there(1, "one"), there(2, "two")], None))
    since = datetime(2026, 11, 24, 10, 0, 30, tzinfo=UTC)
    assert kept(cluster, tmp_path, pod("u", "c1"), last="two", since=since) == ["one", "two"]
    assert cluster.asked[0]["since_seconds"] > 0


def test_last_words_that_cannot_be_read_at_all_keep_nobody_waiting(tmp_path: Path) -> None:
    after = pod("u", "c2", before="c1")
    unreadable = [([_BROKEN], after)] * log.ATTEMPTS
    cluster = FakeCluster(([line(1, "one"), _BROKEN], after), *unreadable, ([line(3, "three")], None))
    assert kept(cluster, tmp_path, pod("u", "c1"), pod("u", "c2"), last="three") == ["one", "three"]


def test_a_complaint_of_the_node_is_kept(tmp_path: Path) -> None:
    cluster = FakeCluster(([b"unable to retrieve container logs for c1\n"], None))
    since = datetime(2026, 11, 24, 10, 0, 30, tzinfo=UTC)
    assert kept(cluster, tmp_path, pod("u", "c1"), last="logs", since=since) == ["to retrieve container logs for c1"]
