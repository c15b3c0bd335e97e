"""The service against its own OpenAPI: whatever is sent, each answer is one of those that are documented."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.in_lab import in_lab, lab_process
from tests.injected import ground
from tests.injection_programs import SERVICE, programs

CALLS = {
    "/api/v1/faults": {"get"},
    "/api/v1/faults/recover": {"post"},
    "/api/v1/faults/{id}": {"get"},
    "/api/v1/faults/{id}/recover": {"post"},
    "/api/v1/faults/gpu/inject": {"post"},
    "/api/v1/faults/gpu/inject/xid-{xid}": {"post"},
    "/api/v1/faults/network/inject": {"post"},
    "/api/v1/faults/process/inject": {"post"},
    "/health": {"get"},
    "/ready": {"get"},
    "/metrics": {"get"},
}
CHECKS = (
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
)


@pytest.fixture(scope="module", autouse=True)
def in_one_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with lab_process(tmp_path_factory.mktemp("lab")):
        yield


@in_lab
def test_the_calls_are_those_of_the_contract_each_with_examples() -> None:
    with ground() as around, programs(around) as running:
        told = running.http.get("/openapi.json").json()
        assert {path: set(calls) for path, calls in told["paths"].items()} == CALLS
        for path, calls in told["paths"].items():
            for call in calls.values():
                bodies = call.get("requestBody", {}).get("content", {}).values()
                assert all(body["examples"] for body in bodies), path
                refusals = {status: each for status, each in call["responses"].items() if int(status) >= 400}
                for status, each in refusals.items():
                    assert each["content"]["application/json"]["example"]["detail"], (path, status)
                if "/api/" in path:
                    assert {"401", "502"} <= set(refusals), path
                if path.endswith("inject"):
                    assert set(refusals) == {"401", "403", "404", "409", "422", "501", "502"}, path


@in_lab
def test_every_answer_conforms() -> None:
    with ground() as around, programs(around, "--most-at-once", "3"):
        program = str(Path(sys.executable).with_name("schemathesis"))
        checks = ",".join(CHECKS)
        command = [
            program,
            "run",
            f"{SERVICE}/openapi.json",
            f"--checks={checks}",
            "--phases=examples,coverage,fuzzing",
        ]
        options = ["--max-examples=15", "--seed=1", "--generation-database=none", "--no-color", "--workers=1"]
        done = subprocess.run([*command, *options], cwd=around.folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
        lines = (around.folder / "service" / "audit.jsonl").read_text().splitlines()
        told = [json.loads(line) for line in lines]
        statuses = Counter(one["status"] for one in told)
        assert statuses[500] == statuses[502] == 0, statuses
        assert all("latency_ms" in one["asked"] for one in told if one["status"] == 501)
        assert statuses[201] > 3, statuses
        assert statuses[422] > 100, statuses
