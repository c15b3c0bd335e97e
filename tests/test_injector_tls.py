"""Mutual TLS between the service and its agents: who shows no certificate of the authority hears and says nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from injector.api_service.agents import AgentClient, Unreachable
from injector.places import AGENT_PORT, agent_token
from injector.tls import client_context, of_agent
from tests.certificates import certificates, needs_openssl
from tests.in_lab import in_lab, lab_process
from tests.injected import ground
from tests.injection_programs import programs

pytestmark = needs_openssl
ADDRESS = f"http://127.0.0.1:{AGENT_PORT}"


@pytest.fixture(scope="module", autouse=True)
def in_one_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with lab_process(tmp_path_factory.mktemp("lab")):
        yield


@in_lab
def test_service_and_agent_that_show_each_other_certificates_work_together() -> None:
    with ground() as around:
        shown = str(certificates(around.folder / "tls"))
        with programs(around, "--agent-tls", shown, agent=("--tls", shown)) as running:
            paused = {"target_pod": "vllm-worker-0", "fault_type": "pause"}
            made = running.post("/process/inject", paused)
            assert made.status_code == 201, made.text
            running.post("/recover")
            with pytest.raises(httpx.TransportError):  # nothing is said to who speaks plainly
                httpx.get(f"{ADDRESS}/v1/about")
            token = agent_token(around.folder)
            other = client_context(certificates(around.folder / "other"))
            with pytest.raises(Unreachable):
                AgentClient("local", ADDRESS, token, other).reports()
            mine = client_context(Path(shown))
            assert AgentClient("local", ADDRESS, token, mine).reports() == []
        assert around.traces() == []


@in_lab
def test_an_agent_of_another_name_is_not_believed() -> None:
    with ground() as around:
        shown = str(certificates(around.folder / "tls", name="somebody"))
        with programs(around, agent=("--tls", shown), ready=False) as running:
            client = AgentClient("local", ADDRESS, agent_token(around.folder), client_context(Path(shown)))
            running.wait_until_agent_listens()
            with pytest.raises(Unreachable, match=r"[Hh]ostname mismatch"):
                client.reports()


@pytest.mark.parametrize("lacks", ["tls.crt", "tls.key", "ca.crt"])
def test_a_folder_that_lacks_something_is_refused(tmp_path: Path, lacks: str) -> None:
    folder = certificates(tmp_path / "tls")
    (folder / lacks).unlink()
    with pytest.raises(ValueError, match=f"has no {lacks}: it needs tls.crt, tls.key, ca.crt"):
        of_agent(folder)


def test_a_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    folder, other = certificates(tmp_path / "tls"), certificates(tmp_path / "other")
    shutil.copy(other / "tls.key", folder)
    with pytest.raises(ValueError, match="no certificates that can be used"):
        of_agent(folder)
