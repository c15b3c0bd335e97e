"""What a GPU monitor makes of the kernel's log, which is a file here; tests of the service use the real one."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import gpu_monitor
from support.errors import Unavailable
from support.gpu_monitor import GpuMonitor

WRITTEN = 8 << 3 | 3
"""Priority and facility of what a program writes."""


def read(lines: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> str:
    """A monitor that finds these records after it has begun, one for each read."""
    log = tmp_path / "kmsg"
    log.touch()
    monkeypatch.setattr(gpu_monitor, "_LOG", str(log))
    monitor, records = GpuMonitor(), iter(lines)

    def record() -> str:
        try:
            return next(records)
        except StopIteration:
            raise BlockingIOError from None

    monkeypatch.setattr(monitor, "_record", record)
    try:
        return monitor.expect_xid(code)
    finally:
        monitor.close()


@pytest.mark.parametrize(
    "line",
    [
        f"{WRITTEN},7,1000,-;kernel: NVRM: Xid (PCI:fa17:00:00): 79, GPU has fallen off the bus.\n SUBSYSTEM=x",
        "4,7,1000,-;NVRM: Xid (PCI:0000:3b:00): 79, pid=1234, name=python3, GPU has fallen off the bus.",
    ],
)
def test_an_xid_is_read_from_who_writes_it_right(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read([line], tmp_path, monkeypatch, 79).startswith("NVRM: Xid (PCI:")


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(f"{WRITTEN},7,1000,-;NVRM: Xid (PCI:fa17:00:00): 79, x", id="journald takes the first word away"),
        pytest.param(f"{WRITTEN},7,1000,-;kernel: NVRM: Xid (PCI:fa17:00:00): 154, x", id="another code"),
        pytest.param(f"{WRITTEN},7,1000,-;kernel: something else", id="no XID"),
    ],
)
def test_what_no_monitor_would_read_is_none(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AssertionError, match="no XID 79 in the 1 lines"):
        read([line], tmp_path, monkeypatch, 79)


def test_who_may_not_read_the_log_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_monitor, "_LOG", str(tmp_path / "nothing"))
    with pytest.raises(Unavailable, match="run as root"):
        GpuMonitor()
