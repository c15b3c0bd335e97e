"""Bad input, through plain behave: one sentence, status 2, nothing left. And a run that is killed in the middle."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.local.scratch import PREFIX
from support.settings import ROOT
from support.waiting import eventually
from tests.in_lab import expect_nothing_left, kill_and_expect_nothing_left, needs_lab, processes_of

SMOKE = ("-t", "@smoke and @migration")
CUT = "The majority of etcd elects another leader, and the old one falls silent"


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        (("-t", "@vlm"), "no scenario can have the tag @vlm; did you mean @vllm?"),
        (("-t", "~@wip"), "is the old style of tag expressions: write -t 'not @wip'"),
        (("-t", "@vllm,@sglang"), "write -t '@vllm or @sglang'"),
        (("-t", "@vllm and @sglang"), "no scenario is selected"),
        (("-D", "bakend=vllm"), "unknown setting -D bakend: did you mean 'backend'?"),
        (("-D", "=vllm"), "unknown setting -D "),
        (("-D", "vllm"), "unknown setting -D vllm: "),
        (("-D", "backend=vlm"), "choose one of vllm, sglang, trtllm"),
        (("-D", "request_plane=udp"), "choose one of tcp, nats"),
        (("-D", "engine=steam"), "choose one of mocker, counting, real"),
        (("-D", "target=moon"), "choose one of local, kubernetes"),
        (("-D", "target=kubernetes"), "needs -D image=NAME"),
        (("-D", "dynamo=9.9.9"), "Dynamo 9.9.9 is not installed"),
        (("-D", "dynamo=new!"), "it must be a version"),
        (("-D", "etcd=/nowhere"), "there is no such folder"),
        (("-D", "etcd=features"), "there is no etcd in"),
        (("-D", "timeout_scale=fast"), "a number above 0"),
        (("-D", "fresh=maybe"), "say true or false"),
        (("-D", "log_dir=~no-such-user/x"), "there is no such user"),
    ],
)
def test_bad_input_is_one_sentence_and_status_2(typed: tuple[str, ...], sentence: str, tmp_path: Path) -> None:
    before = () if any(word.startswith("log_dir") for word in typed) else ("-D", f"log_dir={tmp_path}/logs")
    expect_refused(behave(tmp_path, *before, *typed), sentence, tmp_path)


def test_a_log_dir_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refused = behave(tmp_path, *SMOKE, "-D", f"log_dir={tmp_path}/file")
    expect_refused(refused, f"cannot write to {tmp_path}/file", tmp_path)


def test_a_log_dir_that_nobody_can_write(tmp_path: Path) -> None:
    refused = behave(tmp_path, *SMOKE, "-D", "log_dir=/proc/tty/logs")  # not even root can
    expect_refused(refused, "cannot write to /proc/tty/logs", tmp_path)


def test_a_log_dir_that_another_run_writes_to(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    with (logs / ".held").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        refused = behave(tmp_path, *SMOKE, "-D", f"log_dir={logs}")
    expect_refused(refused, f"another run writes to {logs}: wait for it, or give -D log_dir=FOLDER", tmp_path)


@needs_lab
@pytest.mark.parametrize("place", ["logs", "temporary"])
def test_a_full_disk(place: str, tmp_path: Path) -> None:
    """A file system of 64 KiB, in a mount namespace of its own, without a byte left.

    Temporary files of a run find another place when TMPDIR takes no byte at all: that disk has a few KiB left.
    """
    full = tmp_path / place
    full.mkdir()
    fill = f"mount -t tmpfs -o size=64k full {full} && head -c {64 if place == 'logs' else 32}k /dev/zero >{full}/all"
    run = f'{sys.executable} -m behave {SMOKE[0]} "{SMOKE[1]}" -D log_dir={tmp_path}/logs'
    as_user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    temporary = full if place == "temporary" else tmp_path
    refused = subprocess.run(
        ["unshare", *as_user, "--mount", "sh", "-c", f"{fill} 2>/dev/null; exec {run}"],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(temporary), "MARK_OF_TEST": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    expect_refused(refused, f"cannot write to {full}", tmp_path)


def test_what_needs_a_namespace_is_left_out_where_there_is_none_and_says_so(tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("needs root: only root may set the limits of namespaces in a namespace of its own")
    refuse = "echo 0 >/proc/sys/user/max_net_namespaces && exec"
    run = (
        f'{sys.executable} -m support.cli run -n "^{CUT}$" -D log_dir={tmp_path}/logs features/etcd_ha/cut_off.feature'
    )
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "sh", "-c", f"{refuse} {run}"],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "components can be cut off only where they have namespaces of their own" in done.stdout
    expect_nothing_left(tmp_path)


@needs_lab
def test_killed_in_the_middle_of_a_partition_it_leaves_nothing(tmp_path: Path) -> None:
    with running(tmp_path, "-n", f"^{CUT}$", "features/etcd_ha/cut_off.feature", until=cut) as process:
        kill_and_expect_nothing_left(process, tmp_path)


@needs_lab
def test_killed_in_the_middle_of_a_scenario_it_leaves_nothing(tmp_path: Path) -> None:
    with running(tmp_path) as process:
        kill_and_expect_nothing_left(process, tmp_path)
    left = list(tmp_path.glob(f"{PREFIX}*"))
    assert len(left) == 1, "only its folder is"
    again = behave(tmp_path, *SMOKE, "-D", f"log_dir={tmp_path}/logs", "-D", "backend=vllm")
    assert again.returncode == 0, again.stdout
    assert list(tmp_path.glob(f"{PREFIX}*")) == []
    expect_nothing_left(tmp_path)


@needs_lab
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_tidies_up_and_still_reports(number: signal.Signals, tmp_path: Path) -> None:
    with running(tmp_path) as process:
        process.send_signal(number)
        assert process.wait(timeout=20) != 0
        expect_nothing_left(tmp_path)
    assert list(tmp_path.glob(f"{PREFIX}*")) == []
    assert list((tmp_path / "logs").glob("junit/*.xml")) != []
    assert (tmp_path / "logs" / "report.html").exists()


def behave(folder: Path, *typed: str) -> subprocess.CompletedProcess[str]:
    """Plain behave, whose processes and temporary files bear the folder's name."""
    command = [sys.executable, "-m", "behave", *typed]
    environment = os.environ | {"TMPDIR": str(folder)}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)


def expect_refused(done: subprocess.CompletedProcess[str], sentence: str, folder: Path) -> None:
    assert done.returncode == 2, done.stdout[-2000:] + done.stderr[-2000:]
    assert done.stderr.startswith("specs: ")
    assert done.stderr.count("\n") == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stdout
    assert "scenario" not in done.stdout
    expect_nothing_left(folder)
    assert list(folder.glob(f"*{PREFIX}*")) == [], "a temporary folder is left"


def at_work(folder: Path) -> bool:
    """A worker of the run has taken up a request."""
    logs = (folder / "logs" / "deployments").glob("*/*worker*.log")
    return any("Request ID" in log.read_text() for log in logs)


def cut(folder: Path) -> bool:
    """A process of the run stands where the agent has a table."""
    tables = (["nsenter", f"--net=/proc/{pid}/ns/net", "nft", "list", "tables"] for pid in processes_of(folder))
    return any("dynamo_fault_specs" in subprocess.run(one, capture_output=True, text=True).stdout for one in tables)


@contextmanager
def running(folder: Path, *selected: str, until: Callable[[Path], bool] = at_work) -> Iterator[subprocess.Popen[bytes]]:
    """A run in the middle of a scenario."""
    command = [sys.executable, "-m", "support.cli", "run", *(selected or SMOKE), "-D", f"log_dir={folder}/logs"]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(folder)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with process:
        try:
            eventually(lambda: until(folder), within=30, describe="the run is in the middle of a scenario")
            assert len(processes_of(folder)) > 5
            yield process
        finally:
            process.kill()
