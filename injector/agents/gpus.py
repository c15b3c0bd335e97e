"""Which GPU of this node is meant: of those that a pod's processes compute on."""

from __future__ import annotations

from collections.abc import Callable

from injector.agents import keeper, keepers, nvml
from injector.agents.nvml import Gpu, Nvml
from injector.fault import Order
from injector.inventory import Node


class Gpus:
    """Of one node; none where there is no driver of NVIDIA's."""

    def __init__(self, node: Node, opened: Callable[[], Nvml | None] = nvml.opened) -> None:
        self._node, self._opened = node, opened
        self._library: Nvml | None = None

    def meant(self, order: Order) -> Gpu | None:
        """The one with the order's `gpu_index` of those that its first pod computes on; None when it is on none."""
        library, index = self._nvml(), order.parameters.get("gpu_index", 0)
        if library is None or type(index) is not int:
            return None
        victim = self._node.victim(order.pods[0], order.identities.get(order.pods[0]))
        plan = keepers.holds([(one.pid, one.start) for one in victim.leaders])
        pids = {one.pid for one in keeper.of(plan)}
        used = [gpu for gpu in library.gpus() if pids & gpu.users().keys()]
        return used[index] if 0 <= index < len(used) else None

    def gpu(self, uuid: str) -> Gpu:
        """OSError when it, or the driver, has gone."""
        library = self._nvml()
        if library is None:
            raise OSError("the driver of NVIDIA's does not answer any more")
        return library.gpu(uuid)

    def _nvml(self) -> Nvml | None:
        if self._library is None:
            self._library = self._opened()
        return self._library
