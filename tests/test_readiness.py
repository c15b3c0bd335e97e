"""A frontend that lacks something is told apart from one that serves with every worker."""

from __future__ import annotations

import httpx
import pytest

from support.commands import HTTP
from support.readiness import lacking


class Says:
    """A frontend with two workers of one model, but for what is given: path to the JSON, or status, of its answer."""

    name = "frontend-0"

    def __init__(self, answers: dict[str, object]) -> None:
        self._answers: dict[str, object] = {
            "/health": listed(1, 2),
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


class Worker:
    def __init__(self, instance_id: int | None) -> None:
        self.name = f"worker-{instance_id}"
        self._id = instance_id

    def instance_id(self) -> int | None:
        return self._id


WORKERS = Worker(1), Worker(2)


def listed(*ids: int) -> dict[str, object]:
    """The answer of /health that lists workers with these ids."""
    each = {"component": "backend", "endpoint": "generate", "transport": {"tcp": "10.0.0.1:1"}}
    return {"instances": [each | {"instance_id": one} for one in ids]}


def ready(**workers: int) -> dict[str, object]:
    """The answer of /v1/models/m/ready with that many workers of each type."""
    return {"namespaces": {"dynamo": {"worker_types": {kind: {"workers": n} for kind, n in workers.items()}}}}


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ({}, ""),
        ({"/health": listed()}, "frontend-0 lists 0 workers of 2"),
        ({"/health": listed(1, 3)}, "frontend-0 does not list worker-2"),  # the one that was there before it
        ({"/v1/models": {"data": []}}, "frontend-0 lists the models []"),
        ({"/v1/models/m/ready": ready(aggregated=1)}, "frontend-0 routes to 1 workers of 2"),
        ({"/v1/models/m/ready": ready(prefill=1, decode=1)}, ""),
        ({"/v1/models/m/ready": ready(prefill=1)}, "frontend-0 routes to 1 workers of 2"),
        ({"/v1/models/m/ready": 404}, ""),  # a version that does not tell
    ],
)
def test_what_a_frontend_lacks(answers: dict[str, object], told: str) -> None:
    assert lacking(Says(answers), WORKERS, "m") == told


def test_a_frontend_that_fails_is_not_taken_for_one_that_does_not_tell() -> None:
    with pytest.raises(ConnectionError):
        lacking(Says({"/v1/models/m/ready": 500}), WORKERS, "m")


def test_a_worker_that_tells_no_id_is_counted() -> None:
    assert lacking(Says({}), (Worker(None), Worker(2)), "m") == ""


def test_a_frontend_that_lists_nobody_is_asked_whom_it_routes_to() -> None:
    assert lacking(Says({"/health": listed()}), WORKERS, "m", lists=False) == ""
    alone = Says({"/health": listed(), "/v1/models/m/ready": ready(aggregated=1)})
    assert lacking(alone, WORKERS, "m", lists=False) == "frontend-0 routes to 1 workers of 2"
