"""A deployment of nothing but names, for tests of who is meant."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

from support.deployment import Component, Deployment
from support.kept_deployment import names
from support.local.deployment import LocalDeployment
from support.metrics import Metrics, Sample
from support.spec import DeploymentSpec


def deployment_of(*, busy: Mapping[str, float] | None = None, **spec: Any) -> Deployment:
    """With the components of such a spec; `busy` says how many requests each works on."""
    described = DeploymentSpec(**spec)
    made = LocalDeployment.__new__(LocalDeployment)
    made.spec = described
    made.components = {
        name: cast(
            Component,
            SimpleNamespace(name=name, role=role, running=True, metrics=_metrics((busy or {}).get(name, 0.0))),
        )
        for name, role in names(described).items()
    }
    return made


def _metrics(busy: float) -> Any:
    sample = Sample("dynamo_component_inflight_requests", {"dynamo_endpoint": "generate"}, busy)
    return lambda: Metrics([sample])
