"""What a cluster does with the pods and nodes of one deployment, beyond what its components do themselves."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from injector.labels import ROLE
from support.errors import FaultError, Unavailable
from support.kubernetes_target import manifests
from support.kubernetes_target.cluster import Cluster, Manifest
from support.kubernetes_target.labels import MAY_BE_LOST
from support.kubernetes_target.manifests import Home, set_of
from support.kubernetes_target.pods import container_runs, hopeless, node_ready, ready, waits_for
from support.spec import Role
from support.waiting import scaled

COMMAND_WITHIN = 60.0
"""Seconds that a command of the user's may take."""


@dataclass(frozen=True)
class Commands:
    """Shell commands of the user's, by which what the suite cannot do itself is done. None: it cannot be done here."""

    lose_node: str | None = None
    """Takes the node that the variable NODE names off the network, or out of service in another way."""
    return_node: str | None = None
    lose_api: str | None = None
    """Makes the API server answer nobody."""
    return_api: str | None = None


@dataclass(frozen=True)
class Pod:
    """A pod as the cluster has it now. Another one of the same name has another uid."""

    name: str
    uid: str
    node: str
    """Empty while no node has taken it."""
    ready: bool
    waits_for: str | None
    """Why its container does not run, in a clause; None when it does."""
    hopeless: bool
    """It does not go away by itself."""


class Hosting:
    """Of one deployment. Methods raise DeploymentError when the cluster does not answer, or refuses."""

    def __init__(self, cluster: Cluster, home: Home, commands: Commands, *, direct: Callable[[], bool]) -> None:
        """direct: whether clients reach pods by their addresses."""
        self._cluster, self._home, self._commands, self._direct = cluster, home, commands, direct

    # Pods.

    def pods(self) -> dict[str, Pod]:
        """By name."""
        return self.await_pods(lambda pods: True, within=0)

    def await_pods(self, seen: Callable[[Mapping[str, Pod]], bool], *, within: float) -> dict[str, Pod]:
        """Watch them until `seen` of them is true, or the time (scaled) is up; returns them."""
        found = self._cluster.await_pods(self._home.namespace, lambda pods: seen(_seen(pods)), within=within)
        return _seen(found)

    def delete(self, pod: str, *, grace: int | None = None) -> None:
        """grace: seconds that it has to end; 0: the cluster forgets it at once; None: what it asks for."""
        self._cluster.delete_pod(self._home.namespace, pod, grace=grace)

    def evict(self, pod: str) -> str | None:
        """Ask for its eviction; returns why a disruption budget forbids that now, or None."""
        return self._cluster.evict(self._home.namespace, pod)

    def keep(self, role: Role, count: int) -> None:
        """A disruption budget: so many pods of that role are there whatever is evicted. It goes with the deployment."""
        self._cluster.make(manifests.budget(self._home, role, count))

    # Nodes.

    def must_not_lose(self, node: str) -> str | None:
        """Why it must not be taken away, in a clause; None when its owner allows it."""
        seen = self._cluster.node(node)
        if (seen.metadata.labels or {}).get(MAY_BE_LOST) != "true":
            return f"{node} is not labelled {MAY_BE_LOST}=true, by which its owner would allow it"
        return f"{node} is closed already, by somebody who may not want it open" if seen.spec.unschedulable else None

    def insist_on_closing_nodes(self) -> None:
        """Unavailable when this user may not."""
        if not self._cluster.may("patch", "nodes"):
            raise Unavailable(f"the context {self._cluster.context} may not patch nodes, so that none can be drained")

    def cordon(self, node: str, *, closed: bool = True) -> None:
        """Let no more pods onto it; or (closed=False) let them again. After this run's death the next one does."""
        self._cluster.patch(manifests.closing(node, by=self._home.run if closed else None))

    def cordoned(self, node: str) -> bool:
        return bool(self._cluster.node(node).spec.unschedulable)

    def lose_node(self, node: str) -> None:
        self._run("lose_node", node)

    def return_node(self, node: str) -> None:
        self._run("return_node", node)

    def await_node(self, node: str, *, ready: bool, within: float) -> None:
        """FaultError when the cluster does not have it as ready, or as lost, when the time (scaled) is up."""
        if not self._cluster.await_node(node, lambda one: node_ready(one) == ready, within=within):
            word = "ready" if ready else "lost"
            raise FaultError(f"the cluster does not have {node} as {word} within {scaled(within):g} s")

    # The API server.

    def lose_api(self) -> None:
        self._run("lose_api")

    def return_api(self) -> None:
        self._run("return_api")

    def insist_on_command(self, *names: str) -> None:
        """Unavailable, with what to do, when the user has not configured one of these."""
        for name in names:
            if getattr(self._commands, name) is None:
                raise Unavailable(f"nobody has said how: give -D {name}=COMMAND")

    def insist_on_direct_reach(self) -> None:
        """Unavailable when clients reach pods by way of the API server, so that without it nobody could tell."""
        if not self._direct():
            raise Unavailable("clients reach this cluster's pods by way of its API server: without it nobody can ask")

    def api_answers(self, *, within: float) -> bool:
        """Whether it does now, in so many seconds."""
        return self._cluster.answers(within=within)

    # Rolling out.

    def roll_out(self, pod: str, change: Callable[[Manifest], None]) -> None:
        """Let the set of that pod replace its pods one by one by changed ones. change: of the template as it was."""
        name = set_of(pod)
        role = self._cluster.pod(self._home.namespace, f"{name}-0").metadata.labels[ROLE]
        wanted = manifests.stateful_set(self._home, name, role, replicas=0)
        change(wanted["spec"]["template"])
        wanted["spec"]["updateStrategy"] = {"type": "RollingUpdate"}
        self._cluster.set_fields(wanted, "template", "updateStrategy")

    def stay(self, pod: str) -> None:
        """Let the set of that pod replace none by itself, whatever changes."""
        wanted = manifests.stateful_set(self._home, set_of(pod), "worker", replicas=0)
        self._cluster.set_fields(wanted, "updateStrategy")

    def insist_on_security(self, level: str | None) -> None:
        """What the deployment's namespace asks of new pods: "restricted"; None: what the cluster does."""
        labels = {"pod-security.kubernetes.io/enforce": level}
        metadata = {"name": self._home.namespace, "labels": labels}
        self._cluster.patch({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})

    def make(self, manifest: Manifest) -> None:
        self._cluster.make(manifest)

    def take_away(self, manifest: Manifest) -> None:
        self._cluster.delete(manifest)

    def warnings(self) -> list[str]:
        """What the cluster warns of in the deployment's namespace, each once, the newest last."""
        return self._cluster.warnings(self._home.namespace)

    @property
    def namespace(self) -> str:
        return self._home.namespace

    def _run(self, name: str, node: str = "") -> None:
        """A command of the user's. FaultError, with its last words, when it fails."""
        self.insist_on_command(name)
        command = getattr(self._commands, name)
        environment = os.environ | {"NODE": node}
        try:
            done = subprocess.run(
                ["sh", "-c", command],
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=COMMAND_WITHIN,
            )
        except subprocess.TimeoutExpired:
            raise FaultError(f"-D {name}: it did not end within {COMMAND_WITHIN:g} s") from None
        if done.returncode:
            last = (done.stderr or done.stdout).strip().splitlines()[-1:]
            raise FaultError(f"-D {name}: it ended with {done.returncode}: {''.join(last) or 'it said nothing'}")


def _seen(pods: Mapping[str, Any]) -> dict[str, Pod]:
    return {name: _pod(pod) for name, pod in pods.items()}


def _pod(pod: Any) -> Pod:
    return Pod(
        name=pod.metadata.name,
        uid=pod.metadata.uid,
        node=pod.spec.node_name or "",
        ready=ready(pod),
        waits_for=None if container_runs(pod) else hopeless(pod) or waits_for(pod),
        hopeless=hopeless(pod) is not None,
    )
