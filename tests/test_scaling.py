"""Deployments that change while they are up: workers come, go, and become another version of Dynamo."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.deployment import Deployment
from support.errors import DeploymentError, Unavailable
from support.local import installed
from support.requests import send_completion_request
from support.spec import DeploymentSpec
from tests.in_lab import in_lab, lab_process, target

two_versions = pytest.mark.skipif(
    not {"1.4.1", "1.4.2"} <= set(installed.dynamo_versions()), reason="needs Dynamo 1.4.1 and 1.4.2"
)


@pytest.fixture(scope="module", autouse=True)
def _lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with lab_process(tmp_path_factory.mktemp("lab")):
        yield


@contextmanager
def deployed(**wanted: Any) -> Iterator[Deployment]:
    deployment = target().deployment(DeploymentSpec(**wanted))
    try:
        yield deployment
    finally:
        target().release(deployment, reuse=False)


def serves(base_url: str, model: str) -> bool:
    body = {"model": model, "prompt": "1 2 3", "max_tokens": 2}
    return httpx.post(f"{base_url}/v1/completions", json=body, timeout=10, trust_env=False).is_success


@in_lab
def test_every_frontend_has_an_address_and_serves() -> None:
    with deployed(frontends=2, workers=1) as deployment:
        assert deployment.base_url == deployment.base_urls[0]
        assert len(set(deployment.base_urls)) == 2
        assert all(serves(url, deployment.model) for url in deployment.base_urls)


@in_lab
def test_a_new_worker_takes_the_next_number_also_after_one_has_gone() -> None:
    with deployed(workers=1) as deployment:
        assert deployment.add("worker").name == "vllm-worker-1"
        deployment.remove("vllm-worker-1")
        assert deployment.add("worker").name == "vllm-worker-2"
        assert len(deployment.instances()) == 2


@in_lab
def test_a_worker_taken_away_finishes_its_stream_first() -> None:
    with deployed(workers=1, tokens_per_second=50) as deployment:
        request = send_completion_request(deployment.base_url, deployment.model, "1 2 3 4 5", 100, stream=True)
        deployment.serving_worker(request.record.request_id)
        deployment.remove("vllm-worker-0")
        record = request.finished(within=5)
        assert record.status == "completed", record
        assert len(record.chunks) == 100


@in_lab
def test_a_worker_taken_away_stays_away_although_what_ends_is_started_again() -> None:
    with deployed(workers=2, restart="always") as deployment:
        deployment.remove("vllm-worker-1")
        deployment.ready()
        assert [one.name for one in deployment.workers] == ["vllm-worker-0"]
        assert deployment.ailments() == ["vllm-worker-1 was taken away"]


@in_lab
def test_a_worker_that_is_gone_holds_nothing() -> None:
    with deployed(workers=1) as deployment:
        (worker,) = deployment.workers
        assert worker.vitals().fds > 3
        worker.kill()
        with pytest.raises(DeploymentError, match="vllm-worker-0 is not running"):
            worker.vitals()


@two_versions
@pytest.mark.parametrize("restart", ["never", "always"])
@in_lab
def test_a_restart_as_another_version_runs_that_version(restart: Any) -> None:
    with deployed(workers=1, dynamo="1.4.1", restart=restart) as deployment:
        (worker,) = deployment.workers
        assert worker.version == "1.4.1"
        assert "/1.4.1/" in program(worker.pid)
        worker.restart(dynamo="1.4.2")
        assert worker.version == "1.4.2"
        assert "/1.4.2/" in program(worker.pid)
        deployment.ready()
        assert serves(deployment.base_url, deployment.model)


@two_versions
@in_lab
def test_workers_of_two_versions_serve_together() -> None:
    with deployed(workers=1, dynamo="1.4.2") as deployment:
        added = deployment.add("worker", dynamo="1.4.1")
        assert added.version == "1.4.1"
        assert "/1.4.1/" in program(added.pid)
        assert all(serves(deployment.base_url, deployment.model) for _ in range(4))


@in_lab
def test_a_version_that_is_not_installed_leaves_the_worker_as_it_was() -> None:
    with deployed(workers=1) as deployment:
        (worker,) = deployment.workers
        was = worker.pid
        with pytest.raises(Unavailable, match=r"0\.0\.1"):
            worker.restart(dynamo="0.0.1")
        assert worker.pid == was
        assert worker.version == deployment.spec.dynamo


def program(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
