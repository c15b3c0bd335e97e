"""What pods of somebody else's are a deployment of: their roles by their labels, its spec by what they run.

What cannot be seen there its owner may say, in a file of YAML with the fields of a `DeploymentSpec` and `model`:

    model: Qwen/Qwen3-0.6B
    slots: 64
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_args

from injector.labels import role_of
from support.attached_target.yaml_file import documents
from support.commands import HTTP, SYSTEM
from support.errors import Unavailable, UsageError
from support.kubernetes_target.pods import the_main
from support.spec import GENERATING, DeploymentSpec, Role, near_miss

_DEFAULTS = {one.name: one.default for one in dataclasses.fields(DeploymentSpec)}
_HERE = {"environment", "restart", "dynamo"}
"""Fields that are not compared: how it is kept is its owner's, and its version that of its image."""
_ENGINES = {
    "dynamo.vllm": ("real", "vllm"),
    "dynamo.sglang": ("real", "sglang"),
    "dynamo.trtllm": ("real", "trtllm"),
    "dynamo.mocker": ("mocker", None),
    "counting.py": ("counting", None),
    "as_backends.py": ("counting", None),
}
"""What a worker runs, and the engine and backend that this is."""
_OPTIONS: dict[str, tuple[str, ...]] = {
    "backend": ("--engine-type", "--backend"),
    "request_plane": ("--request-plane", "DYN_REQUEST_PLANE"),
    "router_mode": ("--router-mode", "DYN_ROUTER_MODE"),
    "migration_limit": ("--migration-limit", "DYN_MIGRATION_LIMIT"),
    "migration_max_seq_len": ("--migration-max-seq-len", "DYN_MIGRATION_MAX_SEQ_LEN"),
    "slots": ("--slots", "--max-num-seqs"),
    "blocks": ("--blocks", "--num-gpu-blocks-override"),
    "tokens_per_second": ("--tokens-per-second",),
    "overload_status": ("DYN_HTTP_OVERLOAD_STATUS_CODE",),
    "busy_prefill_tokens": ("DYN_ACTIVE_PREFILL_TOKENS_THRESHOLD",),
    "grace_period": ("DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS",),
}
"""Where a field can be seen: options and environment variables of frontends and workers (ai-dynamo 1.4.2)."""

_PORTS = {HTTP: ("http", "--http-port", "DYN_HTTP_PORT"), SYSTEM: ("system", "DYN_SYSTEM_PORT")}
"""Of a standard port: its name in a pod, and where another one can be seen."""


@dataclass(frozen=True)
class Found:
    """Somebody's deployment."""

    namespace: str
    roles: dict[str, Role]
    """Of its components, by name."""
    known: dict[str, object]
    """Fields of its spec that are known."""
    model: str | None
    """That its owner names."""

    def spec(self, **otherwise: object) -> DeploymentSpec:
        """As far as it is known; the rest is Dynamo's default, or said here."""
        return DeploymentSpec(**(otherwise | self.known))  # type: ignore[arg-type]  # checked by the spec

    def differs(self, wanted: DeploymentSpec) -> str | None:
        """Why a scenario that asks for this cannot be run on it, in one sentence; None when it can."""
        for name, default in _DEFAULTS.items():
            asked = getattr(wanted, name)
            if name == "environment" and asked:
                return f"the scenario sets {', '.join(key for key, _ in asked)}, which only its owner can"
            if name in _HERE:
                continue
            if name in self.known and self.known[name] != asked:
                return (
                    f"the deployment in {self.namespace} has {name}={self.known[name]}, and the scenario is about "
                    f"{name}={asked}"
                )
            if name not in self.known and asked != default:
                return (
                    f"nobody says whether the deployment in {self.namespace} has {name}={asked}: "
                    "say it in the file of -D described"
                )
        return None


def role_in(pod: Any) -> Role | None:
    """What a pod is in a deployment of Dynamo; None for what is no part of it. pod: V1Pod."""
    role = role_of(pod.metadata.labels or {})
    return cast("Role", role) if role in get_args(Role) else None


def found(namespace: str, pods: Sequence[Any], described: dict[str, Any]) -> Found:
    """What these pods are. described: what its owner says (`read`). Unavailable when they are no deployment."""
    by_role: dict[Role, list[Any]] = {role: [pod for pod in pods if role_in(pod) == role] for role in get_args(Role)}
    generating = [pod for role in GENERATING for pod in by_role[role]]
    if not by_role["frontend"] or not generating:
        lacks = "frontend" if not by_role["frontend"] else "worker"
        raise Unavailable(
            f"no pod in {namespace} is a {lacks}: Dynamo's operator labels its pods; label others "
            f"dynamo-faults/role={lacks}"
        )
    known: dict[str, object] = {f"{role}s": len(by_role[role]) for role in ("frontend", "worker")}
    known |= {role: len(by_role[role]) for role in ("prefill", "decode")}
    if by_role["etcd"]:
        known["etcd_members"] = len(by_role["etcd"])
    known |= _engine(generating[0]) | _options([*by_role["frontend"], *generating]) | described
    model = known.pop("model", None)
    backend = known.setdefault("backend", "vllm")
    roles = {
        f"{backend}-{role}-{number}" if role in GENERATING else f"{role}-{number}": role
        for role, its in by_role.items()
        for number in range(len(its))
    }
    return Found(namespace, roles, known, cast("str | None", model))


def read(file: Path | None) -> dict[str, Any]:
    """What an owner's file says. UsageError, naming the field and what is possible."""
    if file is None:
        return {}
    told, *others = documents("described", file) or [None]
    if not isinstance(told, dict) or others:
        raise UsageError(f"-D described={file}: it must be a table of fields and values, such as 'slots: 64'")
    known = [*_DEFAULTS, "model"]
    for name in told:
        if name not in known:
            hint = near_miss(str(name), known)
            raise UsageError(f"-D described={file}: unknown field {name}: {hint}There are {', '.join(known)}")
    _insist_on_values(file, told)
    return told


def _insist_on_values(file: Path, told: Mapping[str, Any]) -> None:
    fields = {name: value for name, value in told.items() if name != "model"}
    for name, value in fields.items():
        if _DEFAULTS[name] is not None and type(value) is not type(_DEFAULTS[name]):
            raise UsageError(f"-D described={file}: {name} is {value!r}, and must be like {_DEFAULTS[name]!r}")
    try:
        DeploymentSpec(**({"workers": 0} if "prefill" in fields else {}) | fields)
    except (UsageError, TypeError) as problem:
        raise UsageError(f"-D described={file}: {problem}") from problem


def port_of(pod: Any, port: int) -> int:
    """What a component has at that standard port, this pod has at this one: by its options, environment or ports."""
    main = the_main(pod.spec.containers)
    name, *options = _PORTS.get(port, ("",))
    if told := _told([main], *options):
        return int(told)
    return next((int(one.container_port) for one in main.ports or [] if name and one.name == name), port)


def _engine(pod: Any) -> dict[str, object]:
    words = _words(the_main(pod.spec.containers))
    for program, (engine, backend) in _ENGINES.items():
        if any(word == program or word.endswith(f"/{program}") for word in words):
            return {"engine": engine, "backend": backend} if backend else {"engine": engine}
    return {"engine": "real"}


def _options(pods: Sequence[Any]) -> dict[str, object]:
    containers = [the_main(pod.spec.containers) for pod in pods]
    seen = {field: _told(containers, *names) for field, names in _OPTIONS.items()}
    return {field: _typed(field, value) for field, value in seen.items() if value is not None}


def _told(containers: Sequence[Any], *names: str) -> str | None:
    """The value of the first of these options, or environment variables, that one of the containers is given."""
    for container in containers:
        words = _words(container)
        environment = {one.name: one.value for one in container.env or [] if one.value is not None}
        for name in names:
            if name in environment:
                return str(environment[name])
            if name in words[:-1]:
                return words[words.index(name) + 1]
            if joined := [word for word in words if word.startswith(f"{name}=")]:
                return joined[0].partition("=")[2]
    return None


def _words(container: Any) -> list[str]:
    """Of what it runs; what a shell is given is taken apart."""
    return [part for word in [*(container.command or []), *(container.args or [])] for part in re.split(r"\s+", word)]


def _typed(field: str, value: str) -> object:
    if isinstance(_DEFAULTS[field], str):
        return value
    try:
        return int(value)
    except ValueError:
        return value


def counted(roles: Mapping[str, Role]) -> str:
    """In words: 1 frontend, 2 workers, ..."""
    return ", ".join(f"{count} {role}" for role, count in Counter(roles.values()).items())
