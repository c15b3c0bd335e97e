"""A worker's GPU reports an XID error in the kernel's log; on request the worker suffers it."""

from __future__ import annotations

from collections.abc import Mapping

from injector.words import XIDS, Effect
from support.faults.injected import InjectedFault
from support.injection import Injected, InjectionService
from support.spec import choose


class Xid(InjectedFault):
    """parameters: code (43, 48, 74, 79, 94, 95, 119, 120) and effect (LINE, APPLICATION)."""

    kinds = ("xid",)
    takes = ("code", "effect")

    def take(self, parameters: Mapping[str, str]) -> None:
        self._code = choose("XID", parameters.get("code", ""), tuple(map(str, XIDS)))
        effects = tuple(each.value for each in Effect)
        self._effect = choose("effect of an XID", parameters.get("effect", Effect.LINE), effects)
        self.name = f"XID {self._code}"

    def ask(self, service: InjectionService, seconds: float) -> Injected:
        return service.report_xid(int(self._code), self.victim, effect=self._effect, seconds=seconds)
