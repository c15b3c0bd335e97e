"""Whom a failure strikes: components by name, or by intent ("one worker", "the frontend", "the etcd leader")."""

from __future__ import annotations

import re

from support.deployment import Component, Deployment
from support.errors import DeploymentError, UsageError
from support.spec import GENERATING, Role
from support.waiting import first_answer

_ROLES: dict[str, tuple[Role, ...]] = {
    "worker": GENERATING,
    "prefill": ("prefill",),
    "decode": ("decode",),
    "frontend": ("frontend",),
    "etcd": ("etcd",),
    "nats": ("nats",),
}
_OF = re.compile(r"^the (GPU|pod|node) of |^the pods of ")
_WORDS = re.compile(
    r"(?P<many>the|an?|one|both|every|all|half of the|\d+) (?P<most>busiest )?"
    r"(?P<role>frontend|prefill|decode|etcd|nats|worker)s?(?: worker| member| server| (?P<rank>leader|follower))?s?"
)


def victims(deployment: Deployment, words: str) -> list[Component]:
    """The components that are meant. UsageError, with what there is, for words that mean none.

    "one worker" is the running one that works on most requests now, so that a failure strikes where it hurts; "the GPU
    of one worker" names that worker, as its pod and its node do.
    """
    if match := _WORDS.fullmatch(_OF.sub("", words.strip())):
        return _meant(deployment, match["many"], match["role"], match["rank"] or match["most"], words)
    return [deployment.component(name.strip()) for name in words.split(",")]


def _meant(deployment: Deployment, many: str, role: str, rank: str | None, words: str) -> list[Component]:
    there = (
        _ranked(deployment, role, rank) if rank else [one for one in deployment.of_role(*_ROLES[role]) if one.running]
    )
    if not there:
        raise UsageError(f"{words!r} names nobody: this deployment has {', '.join(deployment.components)}")
    if many in ("every", "all"):
        return there
    count = {"the": 1, "a": 1, "an": 1, "one": 1, "both": 2, "half of the": -(-len(there) // 2)}.get(many) or int(many)
    if not 0 < count <= len(there):
        raise UsageError(f"{words!r} are more than there are: {', '.join(one.name for one in there)}")
    return sorted(there, key=_busy, reverse=True)[:count]


def _ranked(deployment: Deployment, role: str, rank: str) -> list[Component]:
    if role != "etcd":
        raise UsageError(f"only etcd members are {rank.strip()}: say 'one {role}' and it is the one with most to do")
    from support.etcd import EtcdCluster  # gRPC takes 0.1 s, which only its scenarios should cost

    cluster = EtcdCluster(deployment)
    if rank == "follower":
        return cluster.followers()
    return [cluster.leader() if rank == "leader" else cluster.busiest()]


def _busy(component: Component) -> float:
    from support.counts import TOLD_WITHIN, in_flight

    return first_answer(
        lambda: in_flight(component.metrics()),
        within=TOLD_WITHIN,
        describe=f"{component.name} tells how busy it is",
        error=DeploymentError,
    )
