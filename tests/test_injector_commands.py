"""The command line over the service, and its kill switch without it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from injector.api_service.agents import AgentClient
from injector.places import AGENT_PORT, agent_token
from support.settings import ROOT
from tests.in_lab import in_lab, lab_process
from tests.injected import every_order, ground
from tests.injection_programs import programs


@pytest.fixture(scope="module", autouse=True)
def in_one_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with lab_process(tmp_path_factory.mktemp("lab")):
        yield


def injector(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "injector", *words], cwd=ROOT, capture_output=True, text=True)


def printed(*words: str) -> Any:
    done = injector(*words)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@in_lab
def test_faults_from_a_shell() -> None:
    with ground() as around, programs(around):
        asked = ("process", "target_pod=vllm-worker-0", "fault_type=pause", "duration_seconds=30")
        (plan,) = printed("inject", "--dry-run", *asked)
        assert plan["targets"] == ["vllm-worker-0"]
        made = printed("inject", *asked)
        line = printed("inject", "gpu/xid-79", "target_pod=vllm-worker-1", 'parameters={"process_name": "vllm"}')
        assert "name=vllm, GPU has fallen off the bus." in line["evidence"][0]
        assert [one["id"] for one in printed("list")] == [made["id"], line["id"]]
        assert printed("recover", made["id"])["state"] == "RECOVERED"
        assert [one["state"] for one in printed("recover-all")] == ["RECOVERED"]
        assert printed("list") == []
        assert len(printed("list", "--state", "recovered")) == 2
        refused = injector("inject", "process", "target_pod=nobody", "fault_type=kill")
        assert (refused.returncode, "there is no pod 'nobody'" in refused.stderr) == (1, True)
        assert "is no FIELD=VALUE" in injector("inject", "process", "nobody").stderr


@in_lab
def test_the_kill_switch_works_without_the_service_and_without_the_agent() -> None:
    with ground() as around, programs(around) as running:
        client = AgentClient("local", f"http://127.0.0.1:{AGENT_PORT}", agent_token(around.folder))
        running.service.kill()
        for killed in (False, True):
            for name in ("drop", "pause", "memory"):
                client.inject(every_order(around)[name])
            if killed:
                running.agent.kill()
            done = injector("recover-all", "--state", str(around.folder))
            assert done.returncode == 0, done.stderr
            assert [one["state"] for one in json.loads(done.stdout)] == ["RECOVERED"] * 3
            assert ("doing its work" in done.stderr) is killed
            assert around.traces() == []
        client.close()
        assert "Connection refused" in injector("list").stderr
