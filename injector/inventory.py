"""Who is there: a pod's name to its node, addresses, processes and network namespace.

`Inventory` is the one interface for the service, and `Node` the half of it that an agent needs. `LocalInventory` is
both: it reads the registry of a local deployment, a JSON file that whoever keeps the deployment writes (a new file
moved into place), and that is read again for every question. On Kubernetes the service asks the API server
(`injector.api_service.cluster_inventory`), and the agent looks at its node's processes (`injector.agents.node`).

    {"version": 1,
     "faults_allowed": true,                      the deployment opts in; without it nothing is done to it
     "components": [
       {"name": "vllm-worker-0",                  as its pod would be named
        "role": "worker",                         frontend, worker, prefill, decode, etcd, nats
        "address": "10.77.1.6",
        "namespace": "/run/netns/vllm-worker-0.d1",   the component's own network namespace
        "port": 9090,                             one on which it listens over TCP, for probes
        "protected": null}]}                      or the reason for which nothing may be done to it
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from injector.agents.processes import Process, leaders_in
from injector.errors import Conflict, Invalid, Undone, Unknown

Role = Literal["frontend", "worker", "prefill", "decode", "etcd", "nats", "other"]
GENERATING: tuple[Role, ...] = ("worker", "prefill", "decode")
"""Roles whose pods the guide calls workers."""


class Identity(BaseModel):
    """By what a node of Kubernetes knows a pod: a pod that replaces this one has its name, and another identity."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    uid: str = Field(pattern=r"^[0-9a-f-]{32,36}$")
    containers: tuple[Annotated[str, Field(pattern=r"^[0-9a-f]{12,64}$")], ...] = Field(max_length=100)
    """Ids of those that run, without the pod's sandbox."""
    kept: bool = False
    """The first process of each container keeps those that the pod is there for, and is spared."""


class Pod(BaseModel):
    """One pod, or a component that stands for one, as the service sees it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    role: Role
    address: str
    namespace: Path | None = None
    """Of the network, as its node sees it, where that is known from afar."""
    port: int
    """On which it listens."""
    node: str = "local"
    protected: str | None = None
    """Why nothing may be done to it."""
    faults_allowed: bool = False
    """What it belongs to has opted in."""
    belongs_to: str | None = None
    """Its namespace of Kubernetes."""
    identity: Identity | None = None
    ready: bool | None = None
    """What the API server says of it, where there is one."""

    @property
    def reference(self) -> str:
        """The name by which agents are told of it."""
        return f"{self.belongs_to}/{self.name}" if self.belongs_to else self.name

    @property
    def healthy(self) -> bool:
        """It serves, as far as can be told."""
        return bool(_leaders_in(self.namespace)) if self.ready is None else self.ready


@dataclass(frozen=True)
class Victim:
    """A pod as the agent of its node finds it."""

    name: str
    namespace: Path | None
    """Of its network; None when it has none now."""
    leaders: tuple[Process, ...]
    """First processes of its sessions; empty when it has ended."""


class Inventory(Protocol):
    """Asked anew for everything: pods come and go."""

    def pods(self, namespace: str | None = None) -> list[Pod]:
        """All, by name; of Kubernetes those of that namespace, or of every one that has opted in.

        Undone when nobody can tell. Invalid for a namespace that cannot be.
        """
        ...


class Node(Protocol):
    """Asked anew for everything, too."""

    def victim(self, name: str, identity: Identity | None) -> Victim:
        """The pod of that reference, as this node has it now. Unknown; Conflict for one that is not of this node."""
        ...


def pod(pods: list[Pod], name: str, *, field: str | None = None) -> Pod:
    """The one of that name. Unknown, with the names that there are."""
    there = {each.name: each for each in pods}
    if name not in there:
        raise Unknown(f"there is no pod {name!r}: there are {', '.join(there) or 'none'}", field=field)
    return there[name]


def _leaders_in(namespace: Path | None) -> tuple[Process, ...]:
    try:
        return tuple(leaders_in(namespace)) if namespace else ()
    except OSError:
        return ()


class _Registry(BaseModel):
    version: Literal[1]
    faults_allowed: bool = False
    components: list[Pod] = Field(max_length=1000)


class LocalInventory:
    """Of the deployment whose registry this is; empty when there is none."""

    def __init__(self, registry: Path) -> None:
        self._registry = registry

    def pods(self, namespace: str | None = None) -> list[Pod]:
        if namespace is not None:
            raise Invalid("a local deployment has no namespaces: leave it out", field="namespace")
        try:
            read = _Registry.model_validate_json(self._registry.read_bytes())
        except FileNotFoundError:
            return []
        except (OSError, ValidationError) as failure:
            said = str(failure).splitlines()[0]
            raise Undone(f"the registry {self._registry} cannot be read ({said}): have it written anew") from failure
        allowed = {"faults_allowed": read.faults_allowed}
        return sorted((each.model_copy(update=allowed) for each in read.components), key=lambda each: each.name)

    def victim(self, name: str, identity: Identity | None) -> Victim:
        if identity is not None:
            raise Conflict(f"{name} is a pod of Kubernetes, and this agent serves a local deployment")
        there = pod(self.pods(), name)
        namespace = there.namespace if there.namespace and there.namespace.exists() else None
        return Victim(name, namespace, _leaders_in(namespace))
