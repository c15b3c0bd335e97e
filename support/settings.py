"""Everything a user can set for a run, read once, refused when unknown, shown in the report.

Sources, later ones win: defaults, behave.ini's [behave.userdata], `-D key=value`. The testing guide's environment
variables KUBECONFIG, DYNAMO_NAMESPACE and FRONTEND_URL mean the same as there.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from support.errors import UsageError
from support.spec import BACKENDS, ENGINES, PLANES, Backend, Engine, Plane, choose, near_miss

TARGETS = ("local", "kubernetes")
ROOT = Path(__file__).resolve().parent.parent
DEFAULT_DYNAMO = "1.4.2"


def _attached_namespace() -> str | None:
    """As in the guide: who names a namespace and a frontend has a deployment there."""
    return (os.environ.get("DYNAMO_NAMESPACE") or None) if os.environ.get("FRONTEND_URL") else None


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of one run; every field is a `-D` key of the same name."""

    target: str = "local"
    backend: Backend | None = None
    """Only scenarios of this backend; None: of all."""
    engine: Engine = "counting"
    """What generates, where a scenario does not say."""
    request_plane: Plane = "tcp"
    """What carries requests, where a scenario does not say."""
    dynamo: str = DEFAULT_DYNAMO
    image: str | None = None
    """That pods of the Kubernetes target run."""
    context: str | None = None
    """Of KUBECONFIG; None: its current one."""
    namespace: str = field(default_factory=lambda: os.environ.get("DYNAMO_NAMESPACE") or "dynamo-fault-specs")
    """After which the namespaces that a run makes on a cluster are named."""
    attach: str | None = field(default_factory=_attached_namespace)
    """A namespace with a deployment of somebody else's to run on, instead of making any."""
    frontend_url: str | None = field(default_factory=lambda: os.environ.get("FRONTEND_URL") or None)
    """Where clients reach that one's frontend; None: at its pod."""
    described: Path | None = None
    """A file with what nobody can see of that one (`support.attached_target.found`)."""
    graph: Path | None = None
    """A file with a DynamoGraphDeployment, to have one deployment made of it by Dynamo's operator on the cluster."""
    lose_node: str | None = None
    """On a cluster: a shell command that takes the node $NODE away, for scenarios that lose one."""
    return_node: str | None = None
    """The one that brings it back."""
    lose_api: str | None = None
    """On a cluster: a shell command that makes the API server answer nobody."""
    return_api: str | None = None
    """The one that ends that."""
    etcd: Path | None = None
    """Folder with etcd and etcdctl; None: the newest of PATH and the installed wheel."""
    fresh: bool = False
    """A new deployment for every scenario."""
    timeout_scale: float = 1.0
    """Factor on every deadline."""
    log_dir: Path = ROOT / "reports"
    """Report, results and evidence go below it."""

    @classmethod
    def read(cls, userdata: Mapping[str, str]) -> Settings:
        """From behave's userdata (strings). UsageError names the key, the value and what is possible."""
        known = [field.name for field in fields(cls)]
        for key in userdata:
            if key not in known:
                raise UsageError(f"unknown setting -D {key}: {near_miss(key, known)}There are {', '.join(known)}")
        settings = cls(**{key: _READERS[key](key, value) for key, value in userdata.items()})
        _insist_on_one_deployment(settings)
        return settings

    def shown(self) -> dict[str, str]:
        """Each setting as text, for the report and `--help`."""
        return {field.name: _text(getattr(self, field.name)) for field in fields(self)}


def guide_environment() -> dict[str, str]:
    """The testing guide's environment variables that are set."""
    return {name: os.environ[name] for name in ("KUBECONFIG", "DYNAMO_NAMESPACE", "FRONTEND_URL") if name in os.environ}


def _insist_on_one_deployment(settings: Settings) -> None:
    """UsageError for a graph that nobody could deploy, or that would not be what the scenarios run on."""
    if settings.graph and settings.target != "kubernetes":
        raise UsageError(f"-D graph={settings.graph} is deployed on a cluster: say -D target=kubernetes as well")
    if settings.graph and settings.attach:
        raise UsageError(
            f"-D graph={settings.graph} has a deployment made, and there is one to attach to in {settings.attach} "
            "(-D attach, or DYNAMO_NAMESPACE and FRONTEND_URL): choose one of them"
        )


def _text(value: object) -> str:
    if value is None:
        return "-"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _one_of(known: tuple[str, ...]):  # type: ignore[no-untyped-def]
    return lambda key, value: choose(f"{key} in -D {key}", value.lower(), known)


def _flag(key: str, value: str) -> bool:
    words = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
    if value.lower() not in words:
        raise UsageError(f"-D {key}={value}: say true or false")
    return words[value.lower()]


def _text_of(key: str, value: str) -> str:
    if not value or value.split() != [value]:
        raise UsageError(f"-D {key}={value}: it must be one word")
    return value


def _command(key: str, value: str) -> str:
    if not value.strip():
        raise UsageError(f"-D {key}= is empty: give a command of the shell")
    return value


def _label(key: str, value: str) -> str:
    """The name of a namespace and some more must be a label of DNS (RFC 1123), of at most 63 characters."""
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?", value):
        raise UsageError(f"-D {key}={value}: it must be up to 40 small letters, digits and '-', such as dynamo-specs")
    return value


def _factor(key: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise UsageError(f"-D {key}={value}: it must be a number above 0, such as 2 or 0.5")
    return number


def _folder(key: str, value: str) -> Path:
    if not value.strip():
        raise UsageError(f"-D {key}= is empty: name a folder")
    try:
        return Path(value).expanduser().absolute()
    except RuntimeError:
        raise UsageError(f"-D {key}={value}: there is no such user") from None


def _url(key: str, value: str) -> str:
    if not re.fullmatch(r"https?://[^\s/]+", value.rstrip("/")):
        raise UsageError(f"-D {key}={value}: it must be an address such as http://localhost:8000")
    return value.rstrip("/")


def _existing(kind: str, is_one: Callable[[Path], bool]) -> Callable[[str, str], Path]:
    def read(key: str, value: str) -> Path:
        path = _folder(key, value)
        if not is_one(path):
            raise UsageError(f"-D {key}={value}: there is no such {kind}")
        return path

    return read


def _version(key: str, value: str) -> str:
    if not value or not all(part.isalnum() for part in value.split(".")):
        raise UsageError(f"-D {key}={value}: it must be a version such as {DEFAULT_DYNAMO}")
    return value


_READERS = {
    "target": _one_of(TARGETS),
    "backend": _one_of(BACKENDS),
    "engine": _one_of(ENGINES),
    "request_plane": _one_of(PLANES),
    "dynamo": _version,
    "image": _text_of,
    "context": _text_of,
    "namespace": _label,
    "attach": _text_of,
    "frontend_url": _url,
    "described": _existing("file", Path.is_file),
    "graph": _existing("file", Path.is_file),
    **dict.fromkeys(("lose_node", "return_node", "lose_api", "return_api"), _command),
    "etcd": _existing("folder", Path.is_dir),
    "fresh": _flag,
    "timeout_scale": _factor,
    "log_dir": _folder,
}
