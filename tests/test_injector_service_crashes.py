"""The service is killed at every step of every fault: what is listed afterwards is what is there."""

from __future__ import annotations

import functools
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from injector.api_service.agents import AgentClient
from injector.api_service.drafts import Draft, of_gpu, of_network, of_process
from injector.api_service.requests import GpuRequest, NetworkRequest, ProcessRequest
from injector.api_service.service import Service
from injector.inventory import Inventory
from injector.life import State
from injector.places import AGENT_PORT, agent_token
from tests.in_lab import at_end, in_lab, lab_process, needs_lab
from tests.injected import Ground, ground
from tests.injection_programs import programs

CUT: dict[str, Any] = {"partition_type": "FRONTEND_WORKER"}
GPU: dict[str, Any] = {"target_pod": "vllm-worker-0"}
XID = GPU | {"fault_type": "XID_ERROR"}
ASKED: dict[str, dict[str, Any]] = {
    "drop": CUT,
    "reject": CUT | {"action": "REJECT"},
    "loss": CUT | {"loss_percent": 30},
    "pause": GPU | {"fault_type": "PAUSE"},
    "kill": GPU | {"fault_type": "KILL"},
    "xid line": XID | {"parameters": {"xid": 79}},
    "xid dies": XID | {"parameters": {"xid": 79, "effect": "APPLICATION"}},
    "xid hangs": XID | {"parameters": {"xid": 119, "effect": "APPLICATION"}},
    "throttle": GPU | {"fault_type": "THROTTLE"},
    "overload": GPU | {"fault_type": "COMPUTE_OVERLOAD"},
    "memory": GPU | {"fault_type": "MEMORY_PRESSURE"},
}
STEPS = ["agreed", "ordered", "done", "recovered"]


@pytest.fixture(scope="module", autouse=True)
def in_one_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with lab_process(tmp_path_factory.mktemp("lab")):
        yield


def draft(name: str, inventory: Inventory) -> Draft:
    if name in ("drop", "reject", "loss"):
        return of_network(NetworkRequest.model_validate(ASKED[name]), inventory)
    if name in ("pause", "kill"):
        return of_process(ProcessRequest.model_validate(ASKED[name]), inventory)
    return of_gpu(GpuRequest.model_validate(ASKED[name]), inventory)


@needs_lab
def test_a_service_that_is_killed_and_started_again_tells_the_truth(capsys: pytest.CaptureFixture[str]) -> None:
    counts = {name: killed_at_every_step(name) for name in ASKED}
    assert set(counts.values()) == {len(STEPS)}
    with capsys.disabled():
        print(f"\n  the service: killed at {sum(counts.values())} steps and started again", end="")


@in_lab
def killed_at_every_step(name: str) -> int:
    around = ground_with_programs()
    with closing(service_of(around, around.folder / f"service {name}", lambda _: None)) as service:
        known = {one.id for one in service.records()}  # the agent remembers what it did before, for other services
    for step in STEPS:
        around.renew_pods()
        state = around.folder / f"service {name} {step}"
        killed(around, state, name, step)
        service = service_of(around, state, lambda _: None)
        try:
            expect_the_truth(service, name, step, known)
            known |= {one.id for one in service.records()}
        finally:
            service.close()
        assert around.traces() == [], f"{name}, killed after {step}"
    return len(STEPS)


@functools.cache
def ground_with_programs() -> Ground:
    opened = ExitStack()
    at_end(opened.close)
    around = opened.enter_context(ground())
    opened.enter_context(programs(around))
    return around


def expect_the_truth(service: Service, name: str, step: str, known: set[str]) -> None:
    (record,) = [one for one in service.records() if one.id not in known]
    wanted = {"agreed": State.FAILED, "recovered": State.RECOVERED}.get(step, State.ACTIVE)
    assert record.state is wanted, f"{name}, killed after {step}: {record.state}, {record.reason}"
    assert [one.id for one in service.faults()] == ([] if record.over else [record.id])
    assert service.recover(record.id).state is (State.FAILED if step == "agreed" else State.RECOVERED)


def service_of(around: Ground, state: Path, step: Callable[[str], None]) -> Service:
    client = AgentClient("local", f"http://127.0.0.1:{AGENT_PORT}", agent_token(around.folder))
    return Service(state, {"local": client}, around.inventory, step=step)


def killed(around: Ground, state: Path, name: str, at: str) -> None:
    """A service, in a process of its own, that injects and recovers until it is killed after that step."""
    child = os.fork()
    if not child:
        try:
            service = service_of(
                around, state, lambda step: os.kill(os.getpid(), signal.SIGKILL) if step == at else None
            )
            service.recover(service.inject(draft(name, around.inventory)).id)
        finally:
            os._exit(1)  # it was to be killed
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL, f"it was not killed after {at}"
