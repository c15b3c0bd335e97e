"""The service as its users meet it: its calls by curl and HTTP, over a real agent."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.in_lab import in_lab, lab_process
from tests.injected import ground
from tests.injection_programs import programs

API = "http://localhost:8080/api/v1/faults"
GPU = f"""curl -sS -X POST {API}/gpu/inject -H 'Content-Type: application/json' \
-d '{{"target_pod": "vllm-worker-0", "fault_type": "THROTTLE", "severity": "HIGH"}}'"""
XID = f"""curl -sS -X POST {API}/gpu/inject/xid-79 -H 'Content-Type: application/json' \
-d '{{"target_pod": "vllm-worker-0"}}'"""
NETWORK = f"""curl -sS -X POST {API}/network/inject -H 'Content-Type: application/json' \
-d '{{"partition_type": "FRONTEND_WORKER", "duration_seconds": 30}}'"""


@pytest.fixture(scope="module", autouse=True)
def in_one_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with lab_process(tmp_path_factory.mktemp("lab")):
        yield


def shell(command: str) -> str:
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@in_lab
def test_the_lines_of_the_testing_guide_work_as_they_are_written() -> None:
    with ground() as around, programs(around):
        made = [json.loads(shell(line)) for line in (GPU, XID, NETWORK)]
        assert [(one["kind"], one["fault_type"], one["state"]) for one in made] == [
            ("GPU", "THROTTLE", "ACTIVE"),
            ("GPU", "XID_ERROR", "ACTIVE"),
            ("NETWORK", "FRONTEND_WORKER", "ACTIVE"),
        ]
        listed = shell(f"curl -sS {API} | jq -r '.[].id'").split()
        assert listed == [one["id"] for one in made]
        assert around.traces()
        for identity in listed:
            assert json.loads(shell(f"curl -sS -X POST {API}/{identity}/recover"))["state"] == "RECOVERED"
        assert shell(f"curl -sS {API} | jq -r '.[].id'") == ""
        assert around.traces() == []


def worker(number: int = 0, **more: Any) -> dict[str, Any]:
    return {"target_pod": f"vllm-worker-{number}"} | more
