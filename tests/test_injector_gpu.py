"""Faults of a GPU, on a fake of NVIDIA's libraries: done, seen, taken back, and never believed without being seen."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from injector.agents.agent import Agent
from injector.agents.nvml import Gpu, opened
from injector.agents.processes import marked
from injector.errors import Conflict, Unable, Undone
from injector.fault import Fault
from injector.life import State
from injector.words import GpuFault, Kind
from support.waiting import eventually
from tests import fake_gpu as fakes
from tests.fake_gpu import ADDRESS, HIGHEST, IDLE, IGNORES, REFUSES, TOTAL, UUID, FakeGpu
from tests.in_lab import in_lab, lab_process
from tests.injected import Ground, ground, order_of
from tests.test_injector_crashes import killed_at_each_step

pytestmark = pytest.mark.skipif(
    fakes.COMPILER is None, reason="needs a C compiler (cc) for the fake of NVIDIA's libraries"
)
MIB = 1 << 20


@pytest.fixture(scope="module", autouse=True)
def in_one_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with lab_process(tmp_path_factory.mktemp("lab")):
        yield


@contextmanager
def on_a_gpu() -> Iterator[tuple[Ground, FakeGpu]]:
    """A deployment whose first worker computes on a GPU."""
    with ground() as around, fakes.fake_gpu() as gpu:
        (process,) = around.pods["vllm-worker-0"].processes()
        gpu.is_used_by(process.pid)
        yield around, gpu


@contextmanager
def gpu_worker() -> Iterator[tuple[Ground, FakeGpu, Agent]]:
    """The same, and the agent beside it."""
    with on_a_gpu() as (around, gpu):
        agent = Agent(around.folder / "agent", around.families())
        agent.start()
        try:
            yield around, gpu, agent
        finally:
            agent.close()
        assert around.traces() == []


def the_gpu() -> Gpu:
    """As the library tells of it."""
    library = opened()
    assert library
    (gpu,) = library.gpus()
    return gpu


def inject(agent: Agent, fault: GpuFault, severity: str = "MEDIUM", pod: str = "vllm-worker-0", **how: float) -> Fault:
    return agent.inject(order_of(Kind.GPU, fault, pod, severity=severity, **how))


@in_lab
def test_a_gpu_is_seen_as_the_library_has_it() -> None:
    with gpu_worker() as (around, _, _agent):
        gpu = the_gpu()
        assert (gpu.uuid, gpu.address, gpu.clock, gpu.highest_clock) == (UUID, ADDRESS, IDLE, HIGHEST)
        (process,) = around.pods["vllm-worker-0"].processes()
        assert gpu.users() == {process.pid: 4 << 30}
        assert gpu.free == TOTAL - (4 << 30)
        assert gpu.utilization == 0


@in_lab
@pytest.mark.parametrize(("severity", "expected"), [("LOW", 1485), ("MEDIUM", 990), ("HIGH", 495)])
def test_a_throttled_gpu_has_a_share_of_its_clock(severity: str, expected: int) -> None:
    with gpu_worker() as (_, gpu, agent):
        fault = inject(agent, GpuFault.THROTTLE, severity)
        assert (fault.state, fault.simulated, gpu.locked) == (State.ACTIVE, False, expected)
        assert f"the clock of {UUID} is {expected} MHz, of {HIGHEST}" in fault.evidence
        assert agent.recover(fault.id).state is State.RECOVERED
        assert gpu.locked == 0


@in_lab
@pytest.mark.parametrize(("severity", "left"), [("LOW", 1024), ("MEDIUM", 256), ("HIGH", 16)])
def test_a_gpu_under_pressure_has_little_memory_left(severity: str, left: int) -> None:
    with gpu_worker() as (_, _, agent):
        gpu = the_gpu()
        fault = inject(agent, GpuFault.MEMORY_PRESSURE, severity)
        assert (fault.state, gpu.free) == (State.ACTIVE, left * MIB)
        agent.recover(fault.id)
        assert gpu.free == TOTAL - (4 << 30)


@in_lab
def test_others_compute_on_an_overloaded_gpu() -> None:
    with gpu_worker() as (_, _, agent):
        gpu = the_gpu()
        fault = inject(agent, GpuFault.COMPUTE_OVERLOAD, "HIGH")
        assert gpu.utilization == 100
        assert f"4 others compute on {UUID}" in fault.evidence[-1]
        agent.recover(fault.id)
        assert gpu.utilization == 0


@in_lab
def test_the_temperature_of_a_gpu_is_not_raised() -> None:
    with gpu_worker() as (_, _, agent), pytest.raises(Unable, match="cannot be raised safely"):
        inject(agent, GpuFault.OVERHEAT)


@in_lab
def test_a_worker_that_is_on_no_gpu_is_simulated() -> None:
    with gpu_worker() as (_, gpu, agent):
        fault = inject(agent, GpuFault.THROTTLE, pod="vllm-worker-1")
        assert (fault.simulated, gpu.locked) == (True, 0)
        agent.recover(fault.id)


@in_lab
def test_an_xid_names_the_gpu_itself() -> None:
    with gpu_worker() as (around, _, agent):
        fault = agent.inject(order_of(Kind.GPU, GpuFault.XID_ERROR, "vllm-worker-0", xid=79))
        assert f"NVRM: Xid (PCI:{ADDRESS}): 79" in around.log.after()[-1].text
        agent.recover(fault.id)


# Who does not do what it is told to.


@in_lab
@pytest.mark.parametrize("fault", [GpuFault.THROTTLE, GpuFault.COMPUTE_OVERLOAD])
def test_what_has_no_effect_is_never_active(fault: GpuFault) -> None:
    with gpu_worker() as (_, gpu, agent):
        gpu.tell(lock_does=IGNORES, burn_does=IGNORES)
        with pytest.raises(Undone, match="is FAILED, not active: "):
            inject(agent, fault)


@in_lab
def test_a_driver_that_lets_nobody_lock_clocks_cannot_do_it() -> None:
    with gpu_worker() as (_, gpu, agent):
        gpu.tell(lock_does=REFUSES)
        with pytest.raises(Unable, match="NVML refuses nvmlDeviceSetGpuLockedClocks: Insufficient Permissions"):
            inject(agent, GpuFault.THROTTLE)
        assert [one.state for one in agent.faults()] == [State.FAILED]


@in_lab
def test_a_driver_that_gives_no_memory_fails_the_fault() -> None:
    with gpu_worker() as (_, gpu, agent):
        gpu.tell(memory_does=REFUSES)
        with pytest.raises(Undone, match="CUDA refuses cuMemAlloc_v2: out of memory"):
            inject(agent, GpuFault.MEMORY_PRESSURE)


@in_lab
def test_a_clock_that_stays_locked_is_never_recovered() -> None:
    with gpu_worker() as (_, gpu, agent):
        fault = inject(agent, GpuFault.THROTTLE)
        gpu.tell(reset_does=IGNORES)
        with pytest.raises(Undone, match="is still 990 MHz"):
            agent.recover(fault.id)
        gpu.tell(reset_does=fakes.TAKES)
        assert agent.recover(fault.id).state is State.RECOVERED


# Who dies.


@in_lab
def test_a_deadline_holds_without_an_agent() -> None:
    with on_a_gpu() as (around, gpu):
        agent = Agent(around.folder / "agent", around.families())
        agent.inject(order_of(Kind.GPU, GpuFault.THROTTLE, "vllm-worker-0", seconds=1.0, severity="LOW"))
        agent.close()  # and nobody looks any more
        eventually(lambda: not gpu.locked, within=5, describe="the clock is free again")
        eventually(lambda: not around.kernel_traces(), within=5, describe="the keeper has ended")


@in_lab
def test_a_lock_whose_keeper_was_killed_is_taken_back_by_the_agent() -> None:
    with gpu_worker() as (_, gpu, agent):
        fault = inject(agent, GpuFault.THROTTLE)
        for keeper in marked(fault.mark):
            keeper.send(signal.SIGKILL)
        eventually(lambda: agent.fault(fault.id).over, within=10, describe="the agent has noticed")
        assert (agent.fault(fault.id).state, gpu.locked) == (State.FAILED, 0)


@in_lab
def test_memory_goes_with_its_keeper() -> None:
    with gpu_worker() as (_, _, agent):
        gpu = the_gpu()
        fault = inject(agent, GpuFault.MEMORY_PRESSURE)
        for keeper in marked(fault.mark):
            keeper.send(signal.SIGKILL)
        eventually(lambda: gpu.free == TOTAL - (4 << 30), within=5, describe="the memory is free again")
        eventually(lambda: agent.fault(fault.id).over, within=10, describe="the agent has noticed")


@in_lab
def test_a_new_agent_takes_back_what_one_before_it_has_left() -> None:
    with on_a_gpu() as (around, gpu):
        first = Agent(around.folder / "agent", around.families())
        fault = first.inject(order_of(Kind.GPU, GpuFault.THROTTLE, "vllm-worker-0", severity="HIGH"))
        first.close()
        second = Agent(around.folder / "agent", around.families())
        second.start()
        try:
            assert second.fault(fault.id).state is State.ACTIVE
            second.recover(fault.id)
            assert gpu.locked == 0
        finally:
            second.close()


@in_lab
def test_one_clock_has_one_fault() -> None:
    with gpu_worker() as (_, _, agent):
        fault = inject(agent, GpuFault.THROTTLE)
        with pytest.raises(Conflict, match=f"has the clock of {UUID}: recover it first"):
            inject(agent, GpuFault.THROTTLE, "LOW")
        agent.recover(fault.id)


@pytest.mark.parametrize("fault", [GpuFault.THROTTLE, GpuFault.MEMORY_PRESSURE, GpuFault.COMPUTE_OVERLOAD])
def test_an_agent_that_is_killed_at_any_step_leaves_nothing_on_the_gpu(
    fault: GpuFault, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = killed(fault)
    with capsys.disabled():
        print(f"\n  {fault} of a GPU: killed at {len(steps)} steps and started again", end="")


@in_lab
def killed(fault: GpuFault) -> list[str]:
    return killed_at_each_step(clean_in_the_end, lambda _: order_of(Kind.GPU, fault, "vllm-worker-0"), fault)


@contextmanager
def clean_in_the_end() -> Iterator[Ground]:
    """Nothing is left on the GPU of what was done on this ground."""
    with on_a_gpu() as (around, gpu):
        yield around
        seen = the_gpu()
        assert (gpu.locked, seen.free, seen.utilization) == (0, TOTAL - (4 << 30), 0)
