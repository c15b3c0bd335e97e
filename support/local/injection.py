"""The injection service beside a local deployment: its agent and itself as processes of the lab, and the registry."""

from __future__ import annotations

import json
import os
import sys
from contextlib import ExitStack
from pathlib import Path

import httpx

from injector.inventory import Pod
from injector.places import REGISTRY, SERVICE_PORT, STATE
from support.errors import DeploymentError
from support.local.commands import PORTS
from support.local.component import LocalComponent
from support.local.process import SupervisedProcess
from support.settings import ROOT
from support.spec import GENERATING
from support.waiting import eventually

READY_WITHIN = 30.0
_PROGRAMS = {"fault-agent": "injector.agents.main", "fault-service": "injector.api_service.main"}


class InjectionService:
    """Listens on port 8080 of the lab's loopback, for faults of these components."""

    def __init__(self, components: list[LocalComponent], *, logs: Path) -> None:
        """DeploymentError when it is not ready within 30 s."""
        STATE.mkdir(parents=True, exist_ok=True)
        write_registry(components, STATE / REGISTRY)
        self._programs = [
            SupervisedProcess(
                name,
                [sys.executable, "-m", module],
                log=logs / f"{name}.log",
                environment=dict(os.environ),
                folder=ROOT,
                restart="always",
            )
            for name, module in _PROGRAMS.items()
        ]
        try:
            for program in self._programs:
                program.start()
            eventually(_ready, within=READY_WITHIN, describe="the injection service is ready", error=DeploymentError)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        with ExitStack() as closing:
            for program in self._programs:
                closing.callback(program.stop)


def write_registry(components: list[LocalComponent], file: Path) -> None:
    """The deployment as the service's inventory reads it: whoever keeps a deployment to play with allows faults."""
    pods = [
        Pod(
            name=one.name,
            role=one.role,
            address=one.address,
            namespace=one.place.namespace,
            port=one.place.port(PORTS[one.role][0]),
        )
        for one in components
        if one.place.namespace is not None
    ]
    told = [pod.model_dump(mode="json", exclude={"node", "faults_allowed"}) for pod in pods]
    new = file.with_suffix(".new")
    new.write_text(json.dumps({"version": 1, "faults_allowed": True, "components": told}))
    new.replace(file)


def worker_of(components: list[LocalComponent]) -> str:
    """Name of one to try a fault on."""
    return next(one.name for one in components if one.role in GENERATING)


def _ready() -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{SERVICE_PORT}/ready", trust_env=False, timeout=5).is_success
    except httpx.HTTPError as failure:
        raise ConnectionError(repr(failure)) from failure
