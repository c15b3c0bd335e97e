"""A frontend that lacks something is told apart from one that serves with every worker."""

from __future__ import annotations

import httpx
import pytest

from support.local.commands import HTTP
from support.local.readiness import lacking


class Says:
    """A frontend with two workers of one model, but for what is given: path to the JSON, or status, of its answer."""

    name = "frontend-0"

    def __init__(self, answers: dict[str, object]) -> None:
        worker = {"instance_id": 1, "component": "backend", "endpoint": "generate", "transport": {"tcp": "10.0.0.1:1"}}
        self._answers: dict[str, object] = {
            "/health": {"instances": [worker, worker]},
            "/v1/models": {"data": [{"id": "m"}]},
            "/v1/models/m/ready": ready(aggregated=2),
        } | answers

    def get(self, port: int, path: str) -> httpx.Response:
        assert port == HTTP
        answer, request = self._answers[path], httpx.Request("GET", f"http://frontend-0{path}")
        if isinstance(answer, int):
            refused = httpx.HTTPStatusError("refused", request=request, response=httpx.Response(answer))
            raise ConnectionError("does not answer") from refused
        return httpx.Response(200, json=answer)


def ready(**workers: int) -> dict[str, object]:
    """The answer of /v1/models/m/ready with that many workers of each type."""
    return {"namespaces": {"dynamo": {"worker_types": {kind: {"workers": n} for kind, n in workers.items()}}}}


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ({}, ""),
        ({"/health": {"instances": []}}, "frontend-0 lists 0 workers of 2"),
        ({"/v1/models": {"data": []}}, "frontend-0 lists the models []"),
        ({"/v1/models/m/ready": ready(aggregated=1)}, "frontend-0 routes to 1 workers of 2"),
        ({"/v1/models/m/ready": ready(prefill=1, decode=1)}, ""),
        ({"/v1/models/m/ready": ready(prefill=1)}, "frontend-0 routes to 1 workers of 2"),
        ({"/v1/models/m/ready": 404}, ""),  # a version that does not tell
    ],
)
def test_what_a_frontend_lacks(answers: dict[str, object], told: str) -> None:
    assert lacking(Says(answers), 2, "m") == told


def test_a_frontend_that_fails_is_not_taken_for_one_that_does_not_tell() -> None:
    with pytest.raises(ConnectionError):
        lacking(Says({"/v1/models/m/ready": 500}), 2, "m")
