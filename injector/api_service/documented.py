"""What OpenAPI tells beside the types: examples of requests, and of every refusal."""

from __future__ import annotations

from typing import Any

from fastapi import Body

from injector.errors import Refusal
from injector.web import Problem

_REFUSALS = {
    401: "no or a wrong token: send 'Authorization: Bearer TOKEN'",
    403: "no healthy worker would be left: say allow_last_worker if that is what you mean",
    404: "there is no pod 'vllm-worker-7': there are frontend-0, vllm-worker-0, vllm-worker-1",
    409: "the fault 5f0c9c3e1b7a4d0e (PAUSE) has the running of vllm-worker-0: recover it first",
    422: "target_pod: Field required",
    501: "latency needs the kernel's netem, and this node has none",
    502: "the agent of local is unreachable: see whether it runs",
}
_FIELDS = {422: "target_pod"}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """With an example each."""
    kinds = {kind.status: kind.__name__ for kind in Refusal.__subclasses__()}
    return {status: _refusal(status, kinds[status]) for status in statuses}


def _refusal(status: int, name: str) -> dict[str, Any]:
    example = {"detail": _REFUSALS[status], "field": _FIELDS.get(status)}
    return {"model": Problem, "description": name, "content": {"application/json": {"example": example}}}


def examples(**of: dict[str, Any]) -> Any:
    """Of a request's body, by their names."""
    return Body(openapi_examples={name.replace("_", " "): {"value": value} for name, value in of.items()})


GPU = examples(
    throttled={"target_pod": "vllm-worker-0", "fault_type": "THROTTLE", "severity": "HIGH"},
    hot_for_a_minute={
        "target_pod": "vllm-worker-0",
        "fault_type": "OVERHEAT",
        "severity": "LOW",
        "duration_seconds": 60,
    },
    an_XID={"target_pod": "vllm-worker-0", "fault_type": "XID_ERROR", "parameters": {"xid": 79}},
)
XID = examples(
    the_line={"target_pod": "vllm-worker-0"},
    and_what_it_does={"target_pod": "vllm-worker-0", "parameters": {"effect": "APPLICATION"}},
)
NETWORK = examples(
    one_worker_from_the_frontends={"partition_type": "FRONTEND_WORKER", "duration_seconds": 30},
    two_pods={"partition_type": "CUSTOM", "source": "vllm-worker-0", "target": "etcd-0", "action": "REJECT"},
    loss={"partition_type": "WORKER_NATS", "source": "vllm-worker-0", "loss_percent": 30},
)
PROCESS = examples(
    paused={"target_pod": "vllm-worker-0", "fault_type": "PAUSE", "duration_seconds": 10},
    killed={"target_pod": "vllm-worker-0", "fault_type": "KILL"},
)
