"""What a process waited for a processor is what the kernel counts; of one that is gone nobody can say."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.errors import DeploymentError
from support.vitals import vitals
from support.waiting import eventually

SPIN = f"import os; os.sched_setaffinity(0, [{min(os.sched_getaffinity(0))}])\nwhile True: pass"


@pytest.fixture
def rivals() -> Iterator[list[int]]:
    """Two processes that want the same processor all the time."""
    with ExitStack() as stack:
        started = [stack.enter_context(subprocess.Popen([sys.executable, "-c", SPIN])) for _ in range(2)]
        for one in started:
            stack.callback(one.kill)
        yield [one.pid for one in started]


# gVisor and kernels without CONFIG_SCHED_INFO have no such file; the product then takes nobody for starved.
@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="this kernel does not count waiting threads")
def test_who_shares_a_processor_runs_and_waits_for_it(rivals: list[int]) -> None:
    def both_have(seconds: float) -> bool:
        held = [vitals(pid) for pid in rivals]
        return all(one.cpu > seconds and one.cpu_wait > seconds for one in held)

    eventually(lambda: both_have(0.2), within=20, describe="both have run, and have waited")


def test_of_who_is_gone_nobody_can_say() -> None:
    one = subprocess.Popen([sys.executable, "-c", ""])
    one.wait()
    with pytest.raises(DeploymentError, match="is gone"):
        vitals(one.pid)
