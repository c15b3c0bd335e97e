"""The doctor: its findings, its table, and whom it blames."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from support import doctor
from support.doctor import Finding, refusal_remedy, report, table


def finding(*, ok: bool, essential: bool = False) -> Finding:
    return Finding(
        name="wings", ok=ok, seen="two", without_it="it cannot fly", remedy="./specs setup", essential=essential
    )


def test_the_table_says_for_a_missing_thing_what_it_costs_and_how_to_get_it() -> None:
    there, missing = table([finding(ok=True)], width=80), table([finding(ok=False)], width=80)
    assert there.split() == ["ok", "wings", "two"]
    assert missing.splitlines()[1:] == ["        without it: it cannot fly", "        to get it:  ./specs setup"]


def test_lines_fit_the_terminal() -> None:
    text = table(doctor.examine(), width=60)
    assert max(len(line) for line in text.splitlines()) <= 60


@pytest.mark.parametrize(
    ("findings", "status"),
    [
        ([finding(ok=True, essential=True), finding(ok=False)], 0),
        ([finding(ok=False, essential=True), finding(ok=True)], 1),
    ],
)
def test_the_status_is_whether_the_default_selection_can_run(
    findings: list[Finding], status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "examine", lambda: findings)
    assert report(as_json=True) == status
    said = json.loads(capsys.readouterr().out)
    assert said["default_selection"] == (status == 0)
    assert [one["ok"] for one in said["findings"]] == [one.ok for one in findings]
    assert report() == status
    assert ("CANNOT" in capsys.readouterr().out) == (status == 1)


def test_what_is_tried_is_told_as_it_is() -> None:
    found = {one.name: one for one in doctor.examine()}
    unshare = ["unshare", "--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "true"]
    if os.geteuid() == 0:
        unshare = [word for word in unshare if word not in doctor.AS_USER]
    possible = subprocess.run(unshare, capture_output=True).returncode == 0
    assert any(one.ok for name, one in found.items() if name.startswith("namespaces")) == possible


@pytest.mark.parametrize(
    ("setting", "value", "blamed"),
    [
        ("sys/kernel/apparmor_restrict_unprivileged_userns", "1", "AppArmor"),
        ("sys/kernel/unprivileged_userns_clone", "0", "unprivileged_userns_clone=1"),
        ("sys/user/max_user_namespaces", "0", "max_user_namespaces=15000"),
        ("self/status", "Name: x\nSeccomp:\t2\n", "seccomp=unconfined"),
        ("self/status", "Name: x\nSeccomp:\t0\n", "run as root"),
    ],
)
def test_it_says_who_refuses_namespaces(tmp_path: Path, setting: str, value: str, blamed: str) -> None:
    for file, content in (("self/status", "Seccomp:\t0\n"), (setting, value)):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(content)
    assert blamed in refusal_remedy(root=False, proc=tmp_path)


def test_an_absent_program_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = {one.name: one for one in doctor._in_namespaces()}
    assert not any(one.ok for one in found.values())
    assert found["nft, sets with timeouts"].remedy == "sudo apt-get install nftables"


def test_the_kubernetes_context_is_the_first_of_kubeconfig(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = tmp_path / "config"
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path / 'none'}:{config}")
    assert not doctor._context().ok
    config.write_text("apiVersion: v1\ncurrent-context: kind-test\n")
    assert (doctor._context().ok, doctor._context().seen) == (True, "kind-test")
