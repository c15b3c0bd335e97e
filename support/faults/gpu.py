"""A worker's GPU is strained: throttled, overheated, shared with others, short of memory."""

from __future__ import annotations

from collections.abc import Mapping

from injector.words import GpuFault, Severity
from support.faults.injected import InjectedFault
from support.injection import Injected, InjectionService
from support.spec import choose

STRAINS = tuple(each.value for each in GpuFault if each is not GpuFault.XID_ERROR)


class StrainedGpu(InjectedFault):
    """parameters: strain (THROTTLE, MEMORY_PRESSURE, OVERHEAT, COMPUTE_OVERLOAD) and severity (LOW, MEDIUM, HIGH)."""

    kinds = ("gpu",)
    takes = ("strain", "severity")

    def take(self, parameters: Mapping[str, str]) -> None:
        self._strain = choose("strain of a GPU", parameters.get("strain", ""), STRAINS)
        severities = tuple(each.value for each in Severity)
        self._severity = choose("severity of a GPU's strain", parameters.get("severity", "MEDIUM"), severities)
        self.name = f"{self._strain.lower().replace('_', ' ')} {self._severity}"

    def ask(self, service: InjectionService, seconds: float) -> Injected:
        return service.strain_gpu(self.victim, self._strain, self._severity, seconds=seconds)
