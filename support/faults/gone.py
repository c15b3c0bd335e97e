"""Components are gone for a while: killed, and started again when the fault is taken back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from support.deployment import Component, Deployment
from support.errors import FaultError
from support.faults import Fault, Stage, refuse_unknown
from support.spec import choose


class Gone(Fault):
    """Ends components at once, whatever would start them again, and starts them all when it is healed.

    parameters: data ("kept" or "lost"), of etcd members and NATS.
    """

    kinds = ("gone", "outage")
    name = "gone"
    lasting = True

    def __init__(self, deployment: Deployment, components: Sequence[Component], *, data: str = "kept") -> None:
        self.victim = ", ".join(component.name for component in components)
        self._deployment = deployment
        self._components = components
        self._loses_data = choose("fate of the data", data, ("kept", "lost")) == "lost"
        self._was: dict[Component, int] = {}

    @classmethod
    def of(cls, stage: Stage, victims: Sequence[Component], parameters: Mapping[str, str]) -> list[Fault]:
        refuse_unknown(cls.kinds[0], parameters, "data")
        return [cls(stage.deployment, victims, **parameters)]

    def inject(self) -> None:
        for component in self._components:
            self._was[component] = component.pid
            component.kill(for_good=True)
        if self._loses_data:
            for component in self._components:
                self._deployment.lose_data(component.name)

    def verify(self) -> str:
        there = [component.name for component in self._components if component.running]
        if there:
            raise FaultError(f"{', '.join(there)} was to be gone and runs")
        lost = ", and what they stored" if self._loses_data else ""
        return f"process {', '.join(str(pid) for pid in self._was.values())} of {self.victim} is gone{lost}"

    def heal(self) -> None:
        """All are started before any is waited for: an etcd member without a majority is not up."""
        ended = [component for component in self._was if not component.running]
        for component in ended:
            component.start()
        for component in ended:
            component.wait_until_up()
