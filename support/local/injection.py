"""The fault injection service and its agent beside a local deployment: two processes of this project's own."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from injector.inventory import Pod
from injector.places import AGENT_PORT, REGISTRY, SERVICE_PORT
from support.commands import PORTS
from support.errors import DeploymentError, Unavailable
from support.injection import InjectionService
from support.local.component import LocalComponent
from support.local.network import BridgedNetwork, Network, SharedLoopback
from support.process import SupervisedProcess
from support.settings import ROOT
from support.waiting import eventually

READY_WITHIN = 30.0


class LocalInjection:
    """Both run on the network that the components' bridge is on, and are started again whatever ends them."""

    def __init__(self, network: Network, *, folder: Path, logs: Path) -> None:
        """folder: for journals, token and registry; gone with the deployment. Unavailable without namespaces."""
        if not isinstance(network, BridgedNetwork):
            raise Unavailable("faults can be injected only where components have namespaces of their own")
        self._state = folder
        self._state.mkdir(parents=True, exist_ok=True)
        ports = SharedLoopback().place("injector", (SERVICE_PORT, AGENT_PORT)).ports
        self._url = f"http://127.0.0.1:{ports[SERVICE_PORT]}"
        agent = f"http://127.0.0.1:{ports[AGENT_PORT]}"
        self._agent = self._process("fault-agent", ["injector.agents.main", f"--port={ports[AGENT_PORT]}"], logs)
        service = ["injector.api_service.main", f"--port={ports[SERVICE_PORT]}", f"--agent={agent}"]
        self._service = self._process("fault-service", service, logs)

    def _process(self, name: str, words: Sequence[str], logs: Path) -> SupervisedProcess:
        argv = [sys.executable, "-m", *words, f"--state={self._state}"]
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8"}
        log = logs / f"{name}.log"
        return SupervisedProcess(name, argv, log=log, environment=environment, folder=self._state, restart="always")

    def start(self) -> InjectionService:
        """Start both. DeploymentError when the service is not ready in time."""
        self._agent.start()
        self._service.start()
        client = InjectionService(self._url)
        eventually(client.ready, within=READY_WITHIN, describe="the injection service is ready", error=DeploymentError)
        return client

    def register(self, components: Sequence[LocalComponent]) -> None:
        """Tell both who is there now; they read it anew for each question."""
        pods = [_pod(one) for one in components]
        told = [pod.model_dump(mode="json", exclude={"node", "faults_allowed"}) for pod in pods]
        written = self._state / f"{REGISTRY}.new"
        written.write_text(json.dumps({"version": 1, "faults_allowed": True, "components": told}))
        written.replace(self._state / REGISTRY)

    def kill(self) -> None:
        """End both at once; they are started again."""
        for each in (self._agent, self._service):
            each.kill()

    def stop(self) -> None:
        """End both. What they did to components is over with those."""
        with ExitStack() as stopping:
            stopping.callback(self._agent.stop)
            stopping.callback(self._service.stop)


def _pod(one: LocalComponent) -> Pod:
    namespace = one.place.namespace
    assert namespace, "every component of a bridged network has a namespace"
    return Pod(name=one.name, role=one.role, address=one.address, namespace=namespace, port=PORTS[one.role][0])
