"""Pods of somebody else's deployment, as Dynamo's operator labels them and as the API server tells of them."""

from __future__ import annotations

from typing import Any

from kubernetes import client

OPERATOR = "nvidia.com/dynamo-component-type"


def pod(
    name: str,
    kind: str = "worker",
    *,
    command: str = "python3 -m dynamo.vllm --model Qwen/Qwen3-0.6B",
    container: str = "containerd://aaaaaaa1",
    uid: str | None = None,
    created: str = "2026-11-27T10:00:00Z",
    environment: dict[str, str] | None = None,
    ended: tuple[str, int] | None = None,
    running: bool = True,
    labels: dict[str, str] | None = None,
    ports: dict[str, int] | None = None,
    phase: str = "Running",
) -> Any:
    """V1Pod, with a container beside the main one. ended: (id, status) of the container before this one."""
    state: dict[str, Any] = {"running": {"startedAt": created}} if running else {"waiting": {"reason": "Waiting"}}
    before = {"terminated": {"containerID": ended[0], "exitCode": ended[1]}} if ended else {}
    told = {
        "metadata": {
            "name": name,
            "uid": uid or f"uid of {name}",
            "creationTimestamp": created,
            "labels": {OPERATOR: kind} if labels is None else labels,
        },
        "spec": {
            "containers": [
                {"name": "beside", "image": "beside"},
                {
                    "name": "main",
                    "image": "vllm-runtime:1.4.2",
                    "command": ["sh", "-c"],
                    "args": [command],
                    "env": [{"name": key, "value": value} for key, value in (environment or {}).items()],
                    "ports": [{"name": key, "containerPort": port} for key, port in (ports or {}).items()],
                },
            ]
        },
        "status": {
            "podIP": "10.0.0.7",
            "phase": phase,
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [
                _status("beside", "containerd://bbbbbbb1", {"running": {"startedAt": created}}, {}),
                _status("main", container, state, before),
            ],
        },
    }
    return client.V1Pod.from_dict(told)


def _status(name: str, container: str, state: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "image": name,
        "imageID": name,
        "containerID": container,
        "ready": True,
        "restartCount": 0,
        "state": state,
        "lastState": before,
    }


def frontend(name: str = "front-abc", command: str = "python3 -m dynamo.frontend --migration-limit 3") -> Any:
    return pod(name, "frontend", command=command)
