"""The local target: a pool of deployments on this machine."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from support.errors import Unavailable
from support.local import installed, lab
from support.local.deployment import Folders, LocalDeployment
from support.local.scratch import Scratch, sweep
from support.model import write_model
from support.pool import PooledTarget
from support.settings import Settings
from support.spec import DeploymentSpec

_COUNTING_SINCE = (1, 4)


class LocalTarget(PooledTarget[LocalDeployment]):
    """Deployments as processes of this machine, all of one run below one scratch folder."""

    name = "local"

    def __init__(self, settings: Settings, *, logs: Path) -> None:
        super().__init__(fresh=settings.fresh)
        installed.dynamo_python(settings.dynamo)  # what is missing is told before anything is made
        installed.etcd(settings.etcd)
        installed.nats_server()
        sweep()
        self._settings = settings
        self._logs = logs
        self._scratch = Scratch()
        self._model = write_model(self._scratch.path / "model")
        self._built = 0

    def unavailable(self, spec: DeploymentSpec) -> str | None:
        if spec.engine == "real":
            return "the real engines need a GPU and a cluster: this run is on the local target"
        if spec.behind_one_address:
            return "frontends have one address for all only on a cluster: this run is on the local target"
        if spec.engine == "counting" and installed.numbers(spec.dynamo) < _COUNTING_SINCE:
            return f"the counting engine needs Dynamo 1.4 or newer, this run is on {spec.dynamo}"
        try:
            installed.dynamo_python(spec.dynamo)
        except Unavailable as missing:
            return str(missing)
        return None

    def facts(self) -> dict[str, str]:
        return {
            "Dynamo": self._settings.dynamo,
            "etcd": installed.etcd(self._settings.etcd)[1],
            "NATS": installed.nats_server()[1],
            "Network": "a namespace per component" if lab.inside() else "shared loopback, no partitions",
            "Machine": f"{platform.system()} {platform.release()}, {os.cpu_count()} cores, {platform.machine()}",
            "Python": platform.python_version(),
        }

    def close(self) -> None:
        try:
            super().close()
        finally:
            self._scratch.close()

    def _new(self, spec: DeploymentSpec) -> LocalDeployment:
        self._built += 1
        name = f"d{self._built}"
        folders = Folders(data=self._scratch.path / name, logs=self._logs / name)
        return LocalDeployment(spec, model=self._model, folders=folders, etcd_folder=self._settings.etcd)
