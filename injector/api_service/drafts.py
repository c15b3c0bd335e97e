"""From what is asked to what each node is to do: whom it is done to, and who is taken out of service by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from injector.api_service.requests import GpuRequest, NetworkRequest, ProcessRequest, XidRequest
from injector.errors import Conflict, Invalid
from injector.inventory import GENERATING, Inventory, Pod, Role, pod
from injector.words import Effect, GpuFault, Kind, PartitionType

_BYTES = 125_000
"""A second, of 1 Mbit a second."""
_APART: dict[PartitionType, tuple[tuple[Role, ...], tuple[Role, ...]]] = {
    PartitionType.FRONTEND_WORKER: (("frontend",), GENERATING),
    PartitionType.WORKER_NATS: (GENERATING, ("nats",)),
    PartitionType.WORKER_WORKER: (GENERATING, GENERATING),
}
"""Roles of the two sides, in either order; of a CUSTOM one any."""


@dataclass(frozen=True)
class Draft:
    """A fault that nobody has agreed to yet."""

    kind: Kind
    fault_type: str
    asked: dict[str, Any]
    pods: tuple[Pod, ...]
    parameters: dict[str, dict[str, Any]]
    """Of each node's order."""
    strikes: tuple[Pod, ...] = field(default=())
    """Pods that do not serve while it lasts."""

    @property
    def nodes(self) -> dict[str, list[Pod]]:
        """Pods of each node, in the order in which the nodes are to be asked."""
        wanted = sorted({each.node for each in self.pods}, key=lambda node: (not self._resets(node), node))
        return {node: sorted((one for one in self.pods if one.node == node), key=_by_name) for node in wanted}

    @property
    def belongs_to(self) -> str | None:
        """Their namespace of Kubernetes."""
        return self.pods[0].belongs_to

    def _resets(self, node: str) -> bool:
        """Whoever resets connections comes first: alone it already stops all of them, as the proof needs it."""
        return any(end["resets"] for end in self.parameters[node].get("ends", []))


def of_xid(request: XidRequest, xid: int, inventory: Inventory) -> Draft:
    """An XID's line, whichever call asked for it. Invalid when the parameters name another code."""
    if request.parameters.xid not in (None, xid):
        raise Invalid(f"parameters.xid is {request.parameters.xid}, and the path says {xid}", field="parameters.xid")
    told = request.parameters.model_dump(mode="json", exclude_none=True) | {"xid": xid, "gpu_index": request.gpu_index}
    target = _target(request, inventory)
    strikes = (target,) if request.parameters.effect is Effect.APPLICATION else ()
    asked = _asked(request) | {"fault_type": GpuFault.XID_ERROR, "parameters": told}
    return Draft(Kind.GPU, GpuFault.XID_ERROR, asked, (target,), {target.node: told}, strikes)


def of_gpu(request: GpuRequest, inventory: Inventory) -> Draft:
    if request.fault_type is GpuFault.XID_ERROR:
        assert request.parameters.xid is not None
        return of_xid(request, request.parameters.xid, inventory)
    target = _target(request, inventory)
    strikes = (target,) if request.fault_type is GpuFault.MEMORY_PRESSURE else ()
    told = {"severity": str(request.severity), "gpu_index": request.gpu_index}
    return Draft(Kind.GPU, request.fault_type, _asked(request), (target,), {target.node: told}, strikes)


def of_process(request: ProcessRequest, inventory: Inventory) -> Draft:
    target = _target(request, inventory)
    return Draft(Kind.PROCESS, request.fault_type, _asked(request), (target,), {target.node: {}}, (target,))


def _target(request: XidRequest | ProcessRequest, inventory: Inventory) -> Pod:
    return pod(_of_one(inventory, request.namespace, (request.target_pod,)), request.target_pod, field="target_pod")


def _of_one(inventory: Inventory, namespace: str | None, names: Sequence[str]) -> list[Pod]:
    """The pods of that namespace of Kubernetes, or of the only one with these names. Invalid when that is not clear."""
    there = inventory.pods(namespace)
    having = {each.belongs_to for each in there}
    if names:
        having = {
            one for one in having if {*names} <= {each.name for each in there if each.belongs_to == one}
        } or having
    if len(having) > 1:
        words = ", ".join(sorted(map(str, having)))
        raise Invalid(f"the pods may be those of {words}: say which namespace is meant", field="namespace")
    return [each for each in there if each.belongs_to in having]


def of_network(request: NetworkRequest, inventory: Inventory) -> Draft:
    """Conflict when there is nobody of that role to be cut off."""
    sources, targets = _sides(request, inventory)
    if {each.name for each in sources} & {each.name for each in targets}:
        raise Invalid("source and target have a pod in common: name different ones", field="target")
    partial = request.loss_percent < 100 or request.bandwidth_mbit is not None
    one_way = partial or request.direction != "BOTH" or request.ports is not None
    # Resets come from who talks: a frontend that only listens to a worker's answer hears of them by acknowledging it.
    from_targets = request.partition_type is PartitionType.FRONTEND_WORKER
    late = request.latency_ms is not None  # what is late waits where it goes out
    at_sources = not late or request.direction != "IN"
    at_targets = request.direction != "OUT" if late else not one_way
    ends = [_end(each, targets, request.ports, resets=not from_targets) for each in sources] if at_sources else []
    if at_targets:
        ends += [_end(each, sources, None, resets=from_targets) for each in targets]
    # Where new connections were refused sooner, a worker would take requests that it cannot answer.
    ends.sort(key=lambda end: not end[1]["resets"])
    how = {
        "direction": str(request.direction),
        "action": str(request.action),
        "loss_percent": request.loss_percent,
        "bytes_per_second": max(1, round(request.bandwidth_mbit * _BYTES)) if request.bandwidth_mbit else None,
        "latency_ms": request.latency_ms,
        "ports": list(request.ports or ()),
    }
    cut = (*(sources if at_sources else ()), *(targets if at_targets else ()))
    parameters = {
        node: how | {"ends": [end for where, end in ends if where == node]} for node in {each.node for each in cut}
    }
    among_workers = all(each.role in GENERATING for each in (*sources, *targets))
    strikes = () if partial or late or among_workers else tuple(_workers([*sources, *targets]))
    return Draft(Kind.NETWORK, request.partition_type, _asked(request), cut, parameters, strikes)


def _sides(request: NetworkRequest, inventory: Inventory) -> tuple[list[Pod], list[Pod]]:
    """Who is cut off from whom."""
    there = _of_one(inventory, request.namespace, (*(request.source or ()), *(request.target or ())))
    given = {
        side: [pod(there, name, field=side) for name in names]
        for side in ("source", "target")
        if (names := getattr(request, side))
    }
    workers = [each for each in _workers(there) if each.healthy]
    match request.partition_type:
        case PartitionType.FRONTEND_WORKER:
            otherwise = _of_role(there, "frontend"), workers[:1]
        case PartitionType.WORKER_NATS:
            otherwise = workers[:1], _of_role(there, "nats")
        case PartitionType.WORKER_WORKER:
            first = given.get("source", workers[:1])
            otherwise = first, [each for each in workers if each not in first][:1]
        case _:
            if missing := [side for side in ("source", "target") if side not in given]:
                raise Invalid(f"a CUSTOM partition needs a {missing[0]}: name a pod", field=missing[0])
            otherwise = [], []
    sides = given.get("source", otherwise[0]), given.get("target", otherwise[1])
    _insist_on_roles(request, *sides)
    if not all(sides):
        raise Conflict(f"there is nobody to make a {request.partition_type} partition between: start what is missing")
    return sides


def _insist_on_roles(request: NetworkRequest, sources: Sequence[Pod], targets: Sequence[Pod]) -> None:
    """Invalid when somebody stands on a side where that partition has nobody like that."""
    apart = _APART.get(request.partition_type)
    if apart is None:
        return
    for here, there in (apart, apart[::-1]):
        if all(one.role in here for one in sources) and all(one.role in there for one in targets):
            return
    wrong = "target" if request.target else "source"
    raise Invalid(
        f"{', '.join(getattr(request, wrong))} has no place in a {request.partition_type} partition", field=wrong
    )


def _workers(pods: Sequence[Pod]) -> list[Pod]:
    return [each for each in pods if each.role in GENERATING]


def _of_role(pods: Sequence[Pod], role: str) -> list[Pod]:
    return [each for each in pods if each.role == role]


def _end(here: Pod, peers: Sequence[Pod], ports: Sequence[int] | None, *, resets: bool) -> tuple[str, dict[str, Any]]:
    """Node and order of one end. ports: of the peers, that are meant alone."""
    told = [{"address": peer.address, "port": ports[0] if ports else peer.port} for peer in peers]
    return here.node, {"pod": here.reference, "peers": told, "resets": resets}


def _by_name(one: Pod) -> str:
    return one.name


def _asked(request: GpuRequest | XidRequest | NetworkRequest | ProcessRequest) -> dict[str, Any]:
    return request.model_dump(mode="json", exclude_none=True, exclude={"id"})
