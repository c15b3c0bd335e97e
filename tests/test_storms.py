"""Who left in the middle of an answer, and what workers' logs say of requests that were given up."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from support.local.deployment import LocalDeployment
from support.results import Results
from support.storms import _late
from tests.made_deployments import deployment_of
from tests.made_records import folder, left, record

FRONTEND = """\
2026-11-24T13:50:20.0Z  INFO metrics: request received request_id=given-1 uri=/v1/completions x_request_id="asked-1" a=b
2026-11-24T13:50:20.1Z  INFO metrics: request received request_id=given-2 uri=/v1/completions x_request_id="asked-2" a=b
2026-11-24T13:50:20.2Z  INFO metrics: request received request_id=given-3 uri=/v1/completions
"""
WORKERS = (
    """\
2026-11-24T13:50:21.500000Z  INFO counting.generate: Decode Request ID: given-1
2026-11-24T13:50:21.717082Z  INFO counting.generate: Aborted Request ID: given-1 after 9 tokens
2026-11-24T13:50:22.000000Z  INFO counting.generate: Aborted Request ID: given-3 after 1 tokens
""",
    """\
2026-11-24T13:50:21.000000Z  INFO counting.generate: Aborted Request ID: given-1 after 0 tokens
2026-11-24T13:50:21.000000Z  INFO counting.generate: Decode Request ID: given-2
""",
)


def test_the_last_worker_that_gave_a_request_up_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    logs = {"frontend": [FRONTEND], "worker": list(WORKERS)}

    def locals_(_: LocalDeployment, *roles: str) -> list[Any]:
        return [SimpleNamespace(logs=lambda log=log: log) for role in roles for log in logs.get(role, [])]

    monkeypatch.setattr(LocalDeployment, "_kept", locals_)
    assert deployment_of(workers=2).aborted() == {"asked-1": pytest.approx(1795528221.717082, abs=1e-6)}


def test_who_leaves_when_the_engine_is_done_has_not_left_in_the_middle(tmp_path: Path) -> None:
    stayed = [record(0, 0.0, 4.0), record(1, 0.0, 9.0)]
    made = [*stayed, left(2, 0.0, 3.9), left(3, 0.0, 4.1), record(4, 0.0, 1.0, leaves_after=100)]
    assert _late(Results(folder(tmp_path, made)).frame, 2.0) == 2  # the first token came in the middle of each
