"""Target, deployment, component: the interface that steps use and that every target implements.

Nothing here says whether a component is a process or a pod: no path, pid or port leaves a target, apart from
`Component.pid`, which is for evidence. `support.local` implements it for this machine.
"""

from __future__ import annotations

import socket
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from injector.agents.partition import Obstruction
from support.errors import DeploymentError, Unavailable, UsageError
from support.injection import InjectionService
from support.metrics import Metrics
from support.spec import GENERATING, DeploymentSpec, Role
from support.vitals import Vitals
from support.waiting import eventually

if TYPE_CHECKING:
    from support.kubernetes_target.hosting import Hosting  # which takes a client of a cluster along

WRITTEN_WITHIN = 2.0
"""Seconds until what a component has done can be read in its log, which on a cluster comes by way of the API."""


class Component(ABC):
    """One named part of a deployment, named as its pod would be: `frontend-0`, `vllm-worker-1`, `etcd-0`."""

    name: str
    role: Role

    @abstractmethod
    def kill(self, *, for_good: bool = False) -> None:
        """End it at once (SIGKILL), and return when it is seen gone. FaultError when it was not running.

        for_good: it is not started again, whatever the deployment's policy, until `restart`.
        """

    @abstractmethod
    def terminate(self) -> None:
        """Ask it to end (SIGTERM), and return at once; it drains as it promises to."""

    @abstractmethod
    def interrupt(self) -> None:
        """As `terminate`, in the way of a user at a keyboard (SIGINT)."""

    @abstractmethod
    def fail_engine(self) -> None:
        """Let its engine fail for good, and return at once. Only the counting engine can be told to (SIGHUP)."""

    @abstractmethod
    def pause(self) -> None:
        """Freeze it (SIGSTOP): it holds its connections and answers nothing. Returns when it is seen frozen."""

    @abstractmethod
    def resume(self) -> None:
        """Let a frozen component go on. Returns when it is seen running; does nothing to one that is not frozen."""

    @abstractmethod
    def slow_down(self) -> None:
        """Let its counting engine give each request one tenth of its tokens a second; no other engine can.

        Returns at once. FaultError when it was not running.
        """

    @abstractmethod
    def speed_up(self) -> None:
        """End that."""

    @abstractmethod
    def start(self) -> None:
        """Start one that has ended, with what it had, and return at once."""

    @abstractmethod
    def wait_until_up(self) -> None:
        """Return when it is up by its own account. DeploymentError with its last words when it has ended."""

    @abstractmethod
    def restart(self, *, dynamo: str | None = None) -> None:
        """Start it again with what it had (kill it first if it runs). Returns when it is up by its own account.

        dynamo: as another version of Dynamo than the one it was; Unavailable when that is not installed.
        """

    @property
    @abstractmethod
    def version(self) -> str:
        """Of Dynamo, that it runs."""

    @abstractmethod
    def vitals(self) -> Vitals:
        """What it holds now. DeploymentError when it is not running."""

    @abstractmethod
    def logs(self) -> str:
        """All it has written since the scenario took the deployment, colour codes removed.

        On a cluster what was written last comes a moment later: wait for a line (WRITTEN_WITHIN).
        """

    @abstractmethod
    def metrics(self) -> Metrics:
        """One scrape, now. ConnectionError when it does not answer."""

    @abstractmethod
    def instance_id(self) -> int | None:
        """The id of a frontend or worker in discovery, and of its lease; None where it tells none. ConnectionError."""

    @property
    @abstractmethod
    def metrics_url(self) -> str:
        """Where `metrics` are scraped."""

    @property
    @abstractmethod
    def running(self) -> bool:
        """There is a process, frozen or not."""

    @property
    @abstractmethod
    def frozen(self) -> bool:
        """There is a process, and it is frozen."""

    @property
    @abstractmethod
    def ends(self) -> list[int]:
        """How it has ended so far, the last one last: its exit status, negative for a signal that ended it."""

    @property
    @abstractmethod
    def pid(self) -> int:
        """Its process, for evidence. DeploymentError when there is none."""

    @property
    @abstractmethod
    def address(self) -> str:
        """Its address on the deployment's network, without a port."""

    def __repr__(self) -> str:
        return f"<{self.name}>"


@dataclass(frozen=True)
class Instance:
    """A worker as the frontend's discovery knows it."""

    id: int
    component: str
    """Dynamo's component name: "backend", "prefill"."""
    address: str
    """Of the worker that serves it, without a port; on the NATS plane empty."""


class FarClient(ABC):
    """Where a client stands that has a link of its own to the deployment."""

    name: str

    @abstractmethod
    def socket(self, family: int, kind: int, protocol: int) -> socket.socket:
        """A new socket there, as socket.socket() makes one here."""

    @abstractmethod
    def cut(self) -> None:
        """Cut its link: packets vanish in both directions, nobody is told. FaultError when it cannot be done."""

    @abstractmethod
    def mend(self) -> None:
        """Take that back. Safe to call twice."""

    @property
    @abstractmethod
    def cut_off(self) -> bool:
        """The link is seen to be down."""


class Partition(ABC):
    """Two sides of a deployment that exchange no packet any more, or not all, once it is cut."""

    @abstractmethod
    def cut(self) -> None:
        """Make it. FaultError when it cannot be made."""

    @abstractmethod
    def proof(self) -> str:
        """What shows that it is there, in one sentence. FaultError when nothing does."""

    @abstractmethod
    def mend(self) -> None:
        """Take it away. Safe to call twice."""


class Deployment(ABC):
    """What is under test, from one `DeploymentSpec`."""

    spec: DeploymentSpec
    components: dict[str, Component]
    model: str
    """Name under which clients ask for the model."""
    base_url: str
    """Where clients of this run reach frontend-0, without a trailing slash."""
    base_urls: list[str]
    """The same of every frontend, by number."""
    kserve_address: str
    """Where clients of KServe's protocol reach frontend-0, "address:port", if it serves that."""

    def component(self, name: str) -> Component:
        """The component of that name; a UsageError that lists what there is."""
        try:
            return self.components[name]
        except KeyError:
            raise UsageError(f"no component {name!r} in this deployment: it has {', '.join(self.components)}") from None

    def of_role(self, *roles: Role) -> list[Component]:
        """The components of these roles, by name."""
        return [component for component in self.components.values() if component.role in roles]

    @property
    def frontend(self) -> Component:
        return self.component("frontend-0")

    @property
    def workers(self) -> list[Component]:
        """Everything that generates: aggregated, prefill and decode workers."""
        return self.of_role(*GENERATING)

    @abstractmethod
    def instances(self) -> list[Instance]:
        """The frontend's own list of workers that it would send requests to, now."""

    @abstractmethod
    def serving_workers(self, request_id: str) -> list[Component]:
        """The workers that now work on the request, by observation: empty when none does (yet, or any more)."""

    @abstractmethod
    def reached_workers(self, request_id: str) -> list[Component]:
        """The workers that have taken the request up at any time, by observation."""

    @abstractmethod
    def traces(self, request_id: str) -> str:
        """Where the request is seen in the components' logs, in words: for whoever wonders why it is nowhere."""

    @abstractmethod
    def aborted(self) -> dict[str, float]:
        """When workers wrote that they gave a request up (the last of them; seconds since the epoch), by the ids that
        clients gave to their requests; only of requests that were given up."""

    def serving_worker(self, request_id: str, *, last_seen: Callable[[], str] | None = None) -> Component:
        """The one worker that generates for the request. DeploymentError when that cannot be seen within 5 s.

        last_seen: says what became of the request, should none be seen.
        """

        def generating() -> list[Component]:
            return [worker for worker in self.serving_workers(request_id) if worker.role in ("worker", "decode")]

        found = eventually(
            generating,
            within=5,
            describe=f"a worker is seen to serve request {request_id}",
            error=DeploymentError,
            last_seen=last_seen,
        )
        if len(found) > 1:
            raise DeploymentError(
                f"request {request_id} is on more than one worker: {', '.join(w.name for w in found)}"
            )
        return found[0]

    @abstractmethod
    def ready(self) -> None:
        """Return when every component is up and the frontend would serve the model with all workers of the spec."""

    @abstractmethod
    def lacking(self) -> list[str]:
        """What frontends lack to serve with exactly the workers that the deployment has, in words. ConnectionError."""

    @abstractmethod
    def add(self, role: Role, *, dynamo: str | None = None, flaw: str | None = None, wait: bool = True) -> Component:
        """One component more of a generating role. Returns when every frontend would send it requests.

        wait: or else at once.
        dynamo: of another version than the spec's; Unavailable when that is not installed. UsageError for other roles.
        flaw: of its model, one of `support.spec.MODEL_FLAWS`. DeploymentError, with its name and last words, when it
        ends instead of serving; it is then still among the components.
        """

    @abstractmethod
    def remove(self, name: str) -> None:
        """Ask a worker to end, wait until it has drained and ended, and forget it. DeploymentError when it does not."""

    @abstractmethod
    def lose_data(self, name: str) -> None:
        """Take away what a component has stored. UsageError for one that runs, or that stores nothing."""

    @abstractmethod
    def replace_member(self, name: str) -> Component:
        """An empty etcd member in the place of this one: taken out of the cluster and ended, its data lost, a new one
        let in under its name. Returns when it is up by its own account. UsageError for what is no member of a cluster.
        """

    @abstractmethod
    def far_client(self, name: str) -> FarClient:
        """A place for a client, there as long as the deployment. Unavailable where a client has no link of its own."""

    @abstractmethod
    def partition(
        self, one: Sequence[Component], other: Sequence[Component], how: Obstruction, *, seconds: float
    ) -> Partition:
        """Between these components and those, to be cut. Unavailable where there is no network between them.

        how: seen from `one`. seconds: after which it ends by itself, even when this run is dead.
        """

    @abstractmethod
    def injection(self) -> InjectionService:
        """The fault injection service beside it, which knows who is there now; started when it is first asked for.

        Unavailable where there can be none.
        """

    @abstractmethod
    def lose_injection(self) -> None:
        """Kill that service and its agents at once; they are started again. UsageError when there are none."""

    def hosting(self) -> Hosting:
        """What a cluster does with its pods and nodes. Unavailable where there is none."""
        raise Unavailable("it needs a Kubernetes cluster; this run is on the local target")

    def told(self) -> str:
        """What the target itself told of it since the scenario took it, line by line, or nothing."""
        return ""

    @abstractmethod
    def casualties(self) -> dict[str, str]:
        """Components that are down, frozen, or no longer the ones that were started, and what became of them."""

    @abstractmethod
    def in_flight(self, *roles: Role, may_be_silent: Collection[str] = ()) -> dict[str, float]:
        """Requests that components of these roles (frontends and workers) now work on, only where there are any.

        may_be_silent: names of those that need not answer, as who is being started again; ConnectionError for another
        one that runs and does not answer.
        """

    @abstractmethod
    def ailments(self) -> list[str]:
        """Why this deployment is not as good as new (something down, frozen, in flight); empty when it is."""

    @abstractmethod
    def close(self) -> None:
        """End it and take away everything of it. Safe to call twice."""


class Target(ABC):
    """Where deployments live: this machine, or a Kubernetes cluster."""

    name: str

    @abstractmethod
    def unavailable(self, spec: DeploymentSpec) -> str | None:
        """Why a deployment of this spec cannot be had here, in one sentence; None when it can."""

    def kernel_elsewhere(self) -> str | None:
        """Why the log of this machine's kernel is not the one that its deployments write; None when it is."""
        return None

    @abstractmethod
    def deployment(self, spec: DeploymentSpec) -> Deployment:
        """A ready deployment of that spec, used by one scenario at a time; from the pool when a good one is there."""

    @abstractmethod
    def release(self, deployment: Deployment, *, reuse: bool = True) -> None:
        """Take it back: into the pool when it may be reused and is as good as new, else away."""

    @abstractmethod
    def facts(self) -> dict[str, str]:
        """Versions and machine, for the report's environment block."""

    @abstractmethod
    def close(self) -> None:
        """End every deployment and take away everything of this run. Safe to call twice."""
