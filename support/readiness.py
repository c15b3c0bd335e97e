"""What a frontend says of its workers: those that discovery lists, and those that its router chooses among."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import httpx

from support.commands import HTTP
from support.deployment import Instance


class Frontend(Protocol):
    """As much of a frontend as is asked here."""

    name: str

    def get(self, port: int, path: str) -> httpx.Response:
        """ConnectionError, caused by what httpx raised, when it does not answer or answers with an error."""


class Worker(Protocol):
    """As much of a worker as is asked here."""

    name: str

    def instance_id(self) -> int | None:
        """Its id in discovery; None where it tells none. ConnectionError."""


def instances(frontend: Frontend) -> list[Instance]:
    """Workers that discovery lists. ConnectionError."""
    answer = frontend.get(HTTP, "/health").json()
    return [
        Instance(one["instance_id"], one["component"], one["transport"].get("tcp", "").rpartition(":")[0])
        for one in answer.get("instances", [])
        if one["endpoint"] == "generate"
    ]


def lacking(frontend: Frontend, workers: Sequence[Worker], model: str, *, lists: bool = True) -> str:
    """What it lacks to serve with exactly these workers; empty when nothing. model: what they serve. ConnectionError.

    lists: whether it lists its workers at all; one that serves KServe's protocol does not.
    Discovery lists a worker before the router chooses it: 1.4.2 was seen to list two of two while the router had one,
    and a migration 0.7 s later found "No workers available". It also lists one that was killed until its lease ends.
    """
    listed = {instance.id for instance in instances(frontend)}
    if lists and len(listed) != len(workers):
        return f"{frontend.name} lists {len(listed)} workers of {len(workers)}"
    if lists and (unheard := [one.name for one in workers if one.instance_id() not in {None, *listed}]):
        return f"{frontend.name} does not list {', '.join(unheard)}"
    models = [each["id"] for each in frontend.get(HTTP, "/v1/models").json()["data"]]
    if workers and model not in models:
        return f"{frontend.name} lists the models {models}"
    routed = [_routed(frontend, each) for each in models]
    if None not in routed and (there := sum(filter(None, routed))) != len(workers):
        return f"{frontend.name} routes to {there} workers of {len(workers)}"
    return ""


def _routed(frontend: Frontend, model: str) -> int | None:
    """Workers that the router chooses among for that model; None from versions that do not tell (before 1.4.1)."""
    try:
        told = frontend.get(HTTP, f"/v1/models/{model}/ready").json()["namespaces"].values()
    except ConnectionError as failure:
        if isinstance(refused := failure.__cause__, httpx.HTTPStatusError) and refused.response.status_code == 404:
            return None
        raise
    return sum(int(each["workers"]) for namespace in told for each in namespace["worker_types"].values())
