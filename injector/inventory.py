"""Who is there: a pod's name to its node, addresses, processes and network namespace.

`Inventory` is the one interface. `LocalInventory` reads the registry of a local deployment, a JSON file that whoever
keeps the deployment writes (a new file moved into place), and that is read again for every question:

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

from pathlib import Path
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from injector.agents.processes import Process, leaders_in
from injector.errors import Undone, Unknown

Role = Literal["frontend", "worker", "prefill", "decode", "etcd", "nats"]
GENERATING: tuple[Role, ...] = ("worker", "prefill", "decode")
"""Roles whose pods the guide calls workers."""


class Pod(BaseModel):
    """One pod, or a component that stands for one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    role: Role
    address: str
    namespace: Path
    """Of the network, as this node sees it."""
    port: int
    """On which it listens."""
    node: str = "local"
    protected: str | None = None
    """Why nothing may be done to it."""
    faults_allowed: bool = False
    """What it belongs to has opted in."""

    def leaders(self) -> list[Process]:
        """First processes of its sessions, on its own node; empty when it has ended."""
        try:
            return leaders_in(self.namespace)
        except OSError:
            return []


class Inventory(Protocol):
    """Asked anew for everything: pods come and go."""

    def pods(self) -> list[Pod]:
        """All, by name. Undone when nobody can tell."""
        ...


def pod(inventory: Inventory, name: str, *, field: str | None = None) -> Pod:
    """The one of that name. Unknown, with the names that there are."""
    there = {each.name: each for each in inventory.pods()}
    if name not in there:
        raise Unknown(f"there is no pod {name!r}: there are {', '.join(there) or 'none'}", field=field)
    return there[name]


class _Registry(BaseModel):
    version: Literal[1]
    faults_allowed: bool = False
    components: list[Pod] = Field(max_length=1000)


class LocalInventory:
    """Of the deployment whose registry this is; empty when there is none."""

    def __init__(self, registry: Path) -> None:
        self._registry = registry

    def pods(self) -> list[Pod]:
        try:
            read = _Registry.model_validate_json(self._registry.read_bytes())
        except FileNotFoundError:
            return []
        except (OSError, ValidationError) as failure:
            said = str(failure).splitlines()[0]
            raise Undone(f"the registry {self._registry} cannot be read ({said}): have it written anew") from failure
        allowed = {"faults_allowed": read.faults_allowed}
        return sorted((each.model_copy(update=allowed) for each in read.components), key=lambda each: each.name)
