"""A load of several shards by way of sessions in pods: the load client is real, pods and cluster are fakes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from support.errors import DeploymentError, UsageError
from support.kubernetes_target.load_job import INDEX, LoadJob, job
from support.kubernetes_target.manifests import Home
from support.load.plan import Fixed, LoadPlan
from support.results import Results, summary
from support.settings import ROOT
from tests.fake_frontend import FakeFrontend

HOME = Home("run-1", "run", "i:1")
RUNS = """
import pathlib, sys
from support.kubernetes_target import load_shard
load_shard.DONE = pathlib.Path(sys.argv[1])
load_shard.run(python=sys.executable)
"""


class FakeSession:
    """A shard on this machine. breaks: what of it ends when it is told to begin: "pod", "client", or nothing."""

    def __init__(self, done: Path, *, breaks: str) -> None:
        argv = [sys.executable, "-c", RUNS, str(done)]
        self._shard = subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._breaks = breaks

    def write_stdin(self, text: str) -> None:
        assert self._shard.stdin
        if self._breaks == "pod" and text.startswith("go"):
            self._shard.kill()
        if self._breaks == "client" and text.startswith("go"):
            (client,) = Path(f"/proc/{self._shard.pid}/task/{self._shard.pid}/children").read_text().split()
            os.kill(int(client), signal.SIGKILL)
        self._shard.stdin.write(text)
        self._shard.stdin.flush()

    def readline_stdout(self) -> str:
        assert self._shard.stdout
        return self._shard.stdout.readline().rstrip("\n")

    def read_stdout(self, timeout: float) -> str:
        return ""

    def close(self) -> None:
        self.end()
        self._shard.wait()
        for end in (self._shard.stdin, self._shard.stdout):
            assert end
            with suppress(BrokenPipeError):
                end.close()

    def end(self) -> None:
        """With its pod, which has a second of grace."""
        with suppress(subprocess.TimeoutExpired):
            self._shard.wait(timeout=1)
        self._shard.kill()


class FakeCluster:
    """Its pods run at once; what `breaks` names breaks of the second one."""

    def __init__(self, folder: Path, *, breaks: str = "", shards: int = 2) -> None:
        self._folder, self._breaks, self._shards = folder, breaks, shards
        self._sessions: list[FakeSession] = []
        self.made: list[str] = []
        self.deleted: list[str] = []

    def make(self, manifest: dict[str, Any]) -> None:
        self.made.append(manifest["kind"])

    def await_pods(self, namespace: str, seen: Callable[[Any], bool], *, within: float) -> dict[str, Any]:
        pods = {f"load-{number}-x": pod(number) for number in reversed(range(self._shards))}
        seen(pods)
        return pods

    def execute(self, namespace: str, name: str, argv: Sequence[str]) -> FakeSession:
        self._sessions.append(
            FakeSession(self._folder / f"{name}-has-run", breaks=self._breaks if name == "load-1-x" else "")
        )
        return self._sessions[-1]

    def delete_namespace(self, name: str, *, grace: int) -> None:
        self.deleted.append(name)
        for session in self._sessions:
            session.end()


def pod(number: int) -> Any:
    status = SimpleNamespace(name="main", state=SimpleNamespace(running=True, waiting=None))
    return SimpleNamespace(
        metadata=SimpleNamespace(name=f"load-{number}-x", labels={INDEX: str(number)}, deletion_timestamp=None),
        status=SimpleNamespace(
            pod_ip="10.0.0.1", init_container_statuses=None, container_statuses=[status], conditions=[]
        ),
    )


@pytest.fixture(scope="module")
def frontend() -> Iterator[str]:
    with FakeFrontend() as url:
        yield url


def load_job(cluster: FakeCluster, plan: LoadPlan, folder: Path) -> LoadJob:
    owner = SimpleNamespace(metadata=SimpleNamespace(name="run", uid="u"))
    return LoadJob(cluster, HOME, owner, plan, folder)  # type: ignore[arg-type]  # a fake


def plan(frontend: str, **changes: Any) -> LoadPlan:
    told: dict[str, Any] = {"clients": 4, "requests_per_client": 5, "shards": 2} | changes
    return LoadPlan(base_url=frontend, model="m", max_tokens=Fixed(10), **told)


def test_the_records_of_all_shards_are_read_as_one(frontend: str, tmp_path: Path) -> None:
    cluster = FakeCluster(tmp_path)
    made = load_job(cluster, plan(frontend), tmp_path / "load")
    made.run(within=30)
    seen = summary(tmp_path / "load")
    assert (seen["requests"], seen["completed"], seen["never_sent"]) == (20, 20, 0)
    assert [len((tmp_path / "load" / f"records-000{n}.jsonl").read_text().splitlines()) for n in (0, 1)] == [10, 10]
    assert Results(tmp_path / "load").overall.tokens_lost == 0
    assert made.progress.ended == 20
    assert {file.name for file in tmp_path.glob("*-has-run")} == {"load-0-x-has-run", "load-1-x-has-run"}
    assert (cluster.made, cluster.deleted) == (["Namespace", "Job"], ["run-1"])


@pytest.mark.parametrize(
    ("breaks", "says"),
    [
        ("pod", "the shard load-1-x of the load is gone without its records: nothing can be judged"),
        ("client", "the load client of the shard load-1-x ended with -9: nothing can be judged"),
    ],
)
def test_a_shard_that_breaks_leaves_nothing_to_be_judged(breaks: str, says: str, frontend: str, tmp_path: Path) -> None:
    cluster = FakeCluster(tmp_path, breaks=breaks)
    with pytest.raises(DeploymentError, match=says):
        load_job(cluster, plan(frontend), tmp_path / "load").run(within=30)
    assert cluster.deleted == ["run-1"]


def test_shards_that_do_not_run_are_counted(frontend: str, tmp_path: Path) -> None:
    cluster = FakeCluster(tmp_path, shards=1)
    with pytest.raises(DeploymentError, match=r"0 of 2 shards do not run .*: the Job has made no more pods"):
        load_job(cluster, plan(frontend), tmp_path / "load").run(within=30)


def test_a_plan_without_an_end_is_refused(frontend: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a load in a Job needs an end: say requests_per_client, requests or duration"):
        load_job(FakeCluster(tmp_path), plan(frontend, requests_per_client=None), tmp_path)


def test_the_job_has_a_number_for_each_shard() -> None:
    spec = job(HOME, 4)["spec"]
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 4, 4)
