"""Labels by which objects of a cluster say what they are, and what may be done to them.

dynamo-faults/allowed=true       on a namespace: faults may be done to its pods; on a node: to pods there
dynamo-faults/role=worker        on a pod: frontend, worker, prefill, decode, etcd, nats; where it is not said, the
                                 labels of Dynamo's operator and of Helm charts say it, else it is "other"
dynamo-faults/protected=REASON   on a pod: nothing is done to it
dynamo-faults/kept=true          on a pod: the first process of each container keeps the others, and is spared
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from injector.inventory import Role

_PREFIX = "dynamo-faults"
ALLOWED, ROLE, PROTECTED, KEPT = (f"{_PREFIX}/{name}" for name in ("allowed", "role", "protected", "kept"))
_SAYING_ROLES = (
    ROLE,
    "nvidia.com/dynamo-sub-component-type",
    "nvidia.com/dynamo-component-type",
    "app.kubernetes.io/component",
    "app.kubernetes.io/name",
)
"""Labels whose value may be a role, those first that are more precise."""


def role_of(labels: Mapping[str, str]) -> Role:
    """What a pod with these labels is."""
    for name in _SAYING_ROLES:
        for role in get_args(Role):
            if labels.get(name) == role:
                found: Role = role
                return found
    return "other"
