"""What a pod's status says, in words: whether its container runs, and why it does not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

CRASHING = "CrashLoopBackOff"
HOPELESS = (
    "ErrImageNeverPull",
    "InvalidImageName",
    "ImagePullBackOff",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
    CRASHING,
)
"""Reasons for which a container waits, and that do not go away by themselves."""


CONTAINER = "main"
"""Name of the container that a pod is there for, as Dynamo's operator calls it."""


def main_of(pod: Any) -> Any:
    """The status of the container that a pod is there for: the one of that name, else the first; None before it has
    one. pod: V1Pod."""
    return the_main(pod.status.container_statuses or [])


def the_main(containers: Sequence[Any]) -> Any:
    """Of containers, or of their statuses: the one of that name, else the first; None of none."""
    return next((one for one in containers if one.name == CONTAINER), containers[0] if containers else None)


def container_runs(pod: Any) -> bool:
    """Its container runs, it has an address, and it is not being deleted. pod: V1Pod, or None for one that is gone."""
    if pod is None or pod.metadata.deletion_timestamp or not pod.status.pod_ip or not main_of(pod):
        return False
    return bool(main_of(pod).state.running)


def ready(pod: Any) -> bool:
    """As the cluster has it for its services: of a node that is lost none is, whatever their containers said last."""
    return container_runs(pod) and _has(pod.status.conditions, "Ready")


def over(pod: Any) -> bool:
    """It has ended for good, evicted by its node or complete: its controller makes another, and it lies about."""
    return pod.status.phase in ("Failed", "Succeeded")


def node_ready(node: Any) -> bool:
    return _has(node.status.conditions, "Ready")


def _has(conditions: Any, kind: str) -> bool:
    return any(one.type == kind and one.status == "True" for one in conditions or [])


def hopeless(pod: Any, *, crashing: bool = True) -> str | None:
    """Why its container will not run, in a clause; None while it may. crashing: or ends again and again."""
    for status in _containers(pod):
        waiting = status.state.waiting
        if waiting and waiting.reason in HOPELESS and (crashing or waiting.reason != CRASHING):
            if "Image" in waiting.reason:
                return f"its image {status.image} cannot be had on {pod.spec.node_name} ({waiting.reason})"
            return f"its container does not start ({waiting.reason}: {waiting.message})"
    return None


def waits_for(pod: Any) -> str:
    """What a pod whose container does not run yet waits for, in a clause."""
    for condition in pod.status.conditions or []:
        if condition.type == "PodScheduled" and condition.status != "True":
            return f"no node takes it: {condition.message}"
    waiting = [status.state.waiting for status in _containers(pod) if status.state.waiting]
    return f"its container is {waiting[0].reason}" if waiting else f"it is {pod.status.phase}"


def _containers(pod: Any) -> list[Any]:
    """Their statuses, in the order in which they start."""
    return [*(pod.status.init_container_statuses or []), *(pod.status.container_statuses or [])]


def event_line(event: Any) -> str:
    """What the cluster told of an object, in one line: when, how often, of what, why, what."""
    times = f" ({event.count} times)" if (event.count or 1) > 1 else ""
    at = told_at(event).strftime("%H:%M:%S")
    return f"{at} {event.type} {event.involved_object.name}: {event.reason}: {event.message}{times}\n"


def told_at(event: Any) -> datetime:
    """When it was told last."""
    return event.last_timestamp or event.event_time or event.metadata.creation_timestamp  # type: ignore[no-any-return]
