"""XIDs: what is written for each code, as monitors read it, and once into the machine's own log."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from injector.agents.agent import Agent
from injector.agents.kernel_log import LONGEST, KernelLog, parse
from injector.agents.xid import TEXTS, XidError, line, simulated_address
from injector.errors import Invalid, Undone
from injector.inventory import LocalInventory
from injector.life import State
from injector.words import XIDS, GpuFault, Kind
from tests.in_lab import in_lab, lab_process
from tests.injected import FakeKernelLog, ground, order_of

_ADDRESS = "[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}"
DRIVER = re.compile(rf"^kernel: NVRM: Xid \(PCI:({_ADDRESS})\): (\d+), pid=(\d+), name=(\S+), (.+)$")
"""A driver's line, as the journal shows it."""
NO_LOG = KernelLog().unavailable()


@pytest.fixture(scope="module", autouse=True)
def in_one_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with lab_process(tmp_path_factory.mktemp("lab")):
        yield


@pytest.mark.parametrize("xid", XIDS)
def test_each_code_is_written_as_a_driver_writes_it(xid: int) -> None:
    written = line(xid, simulated_address("vllm-worker-0", 3), TEXTS[xid].format(gpu=3), pid=1234)
    match = DRIVER.match(written)
    assert match, written
    assert match.groups()[:4] == ("fa17:c6:03", str(xid), "1234", "python3")
    assert len(written.encode()) < LONGEST
    assert "{" not in written


def test_journald_takes_the_first_word_and_what_nvsentinel_needs_stays() -> None:
    identifier, _, message = line(79, simulated_address("vllm-worker-0", 0), TEXTS[79], pid=1).partition(" ")
    assert identifier.endswith(":")
    assert message.startswith("NVRM: Xid (PCI:")


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"xid": 13}, "parameters.xid"),
        ({}, "parameters.xid"),
        ({"xid": 79, "gpu_index": 16}, "gpu_index"),
        ({"xid": 79, "effect": "doom"}, "parameters.effect"),
        ({"xid": 79, "message": "two\nlines"}, "parameters.message"),
        ({"xid": 79, "message": "a \x07 bell"}, "parameters.message"),
        ({"xid": 79, "message": "x" * LONGEST}, "parameters.message"),
        ({"xid": 79, "message": ""}, "parameters.message"),
        ({"xid": 79, "process_name": "a\nb"}, "parameters.process_name"),
        ({"xid": 79, "colour": "red"}, "parameters.colour"),
    ],
)
def test_what_no_driver_would_write_is_refused(parameters: dict[str, Any], field: str, tmp_path: Path) -> None:
    family = XidError(LocalInventory(tmp_path / "none"), FakeKernelLog(tmp_path / "log"))
    with pytest.raises(Invalid) as refused:
        family.available(order_of(Kind.GPU, GpuFault.XID_ERROR, "vllm-worker-0", **parameters))
    assert refused.value.field == field


def test_records_are_read_as_the_kernel_gives_them() -> None:
    record = parse("3,339,5140900,-;NVRM: Xid; with a semicolon\n SUBSYSTEM=pci\n")
    assert (record.number, record.text) == (339, "NVRM: Xid; with a semicolon")


@pytest.mark.skipif(NO_LOG is not None, reason=f"needs the kernel's log: {NO_LOG}")
@in_lab
def test_the_machines_own_log_takes_the_line_and_its_end() -> None:
    with ground() as around:
        log = KernelLog()
        agent = Agent(around.folder / "agent", [XidError(around.inventory, log)])
        agent.start()
        order = order_of(Kind.GPU, GpuFault.XID_ERROR, "vllm-worker-0", xid=79, message="simulated, by a test")
        before = log.last()
        fault = agent.inject(order)
        recovered = agent.recover(order.id)
        agent.close()
        assert (fault.state, recovered.irreversible is not None) == (State.RECOVERED, True)
        ours = [record.text for record in log.after(before) if simulated_address("vllm-worker-0", 0) in record.text]
        assert [DRIVER.match(text) is not None for text in ours] == [True, False]
        assert ours[0].endswith("simulated, by a test")
        assert ours[1].endswith("to 0x0 (None)")


class SwallowingLog(FakeKernelLog):
    """As a kernel that drops what it is told too often."""

    def write(self, text: str) -> None:
        return


@in_lab
def test_a_line_that_the_kernel_swallows_is_no_fault() -> None:
    with ground() as around:
        agent = Agent(around.folder / "agent", [XidError(around.inventory, SwallowingLog(around.folder / "log"))])
        agent.start()
        try:
            with pytest.raises(Undone, match="not in the kernel's log"):
                agent.inject(order_of(Kind.GPU, GpuFault.XID_ERROR, "vllm-worker-0", xid=48))
        finally:
            agent.close()
