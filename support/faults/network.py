"""A worker is separated from others by the injection service."""

from __future__ import annotations

from collections.abc import Mapping

from injector.words import Action, Direction, PartitionType
from support.faults.injected import InjectedFault
from support.injection import Injected, InjectionService
from support.spec import choose


class Separated(InjectedFault):
    """parameters: partition (FRONTEND_WORKER, WORKER_NATS, WORKER_WORKER, CUSTOM), off (the target of a CUSTOM one),
    action (DROP, REJECT) and direction (BOTH, IN, OUT)."""

    kinds = ("network",)
    takes = ("partition", "off", "action", "direction")

    def take(self, parameters: Mapping[str, str]) -> None:
        kind = choose("partition", parameters.get("partition", ""), tuple(each.value for each in PartitionType))
        self._kind = PartitionType(kind)
        self._asked = {"target" if self._kind is PartitionType.FRONTEND_WORKER else "source": self.victim}
        if self._kind is PartitionType.CUSTOM:
            self._asked["target"] = parameters.get("off", "")
        for name, words in (("action", Action), ("direction", Direction)):
            if name in parameters:
                self._asked[name] = choose(f"{name} of a partition", parameters[name], tuple(w.value for w in words))
        calls = self._asked.get("action") == Action.REJECT and self._asked.get("direction") == Direction.OUT
        between = kind.lower().replace("_", " and ")
        self.name = f"kept from calling {self._asked['target']}" if calls else f"{between} separated"

    def ask(self, service: InjectionService, seconds: float) -> Injected:
        return service.separate(self._kind.value, seconds=seconds, **self._asked)
