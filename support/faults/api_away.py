"""The API server of the cluster answers nobody for a while, by commands that the user has configured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from support.deployment import Component
from support.errors import FaultError
from support.faults import Fault, Stage, refuse_unknown
from support.waiting import eventually

if TYPE_CHECKING:
    from support.kubernetes_target.hosting import Hosting

SILENT_FOR = 2.0
"""Seconds that it does not answer, so that it is away."""
BACK_WITHIN = 60.0


class ApiAway(Fault):
    """Nobody can ask it anything; what runs, runs on. Healed, it answers again."""

    kinds = ("api_away",)
    name = "away"
    lasting = True
    victim = "the API server"

    def __init__(self, hosting: Hosting) -> None:
        self._hosting = hosting
        self._away = self._proven = False
        hosting.insist_on_command("lose_api", "return_api")
        hosting.insist_on_direct_reach()

    @classmethod
    def of(cls, stage: Stage, victims: Sequence[Component], parameters: Mapping[str, str]) -> list[Fault]:
        refuse_unknown(cls.kinds[0], parameters)
        return [cls(stage.deployment.hosting())]

    def inject(self) -> None:
        self._away = True
        self._hosting.lose_api()

    def verify(self) -> str:
        if self._hosting.api_answers(within=SILENT_FOR):
            raise FaultError("the API server was to be away, and answers")
        self._proven = True
        return f"the API server has not answered for {SILENT_FOR:g} s"

    def heal(self) -> None:
        if not self._away:
            return
        early = self._proven and self._hosting.api_answers(within=SILENT_FOR)
        self._hosting.return_api()  # also of one that answers: what was begun may take effect later
        self._away = False
        eventually(
            lambda: self._hosting.api_answers(within=SILENT_FOR),
            within=BACK_WITHIN,
            describe="the API server answers again",
            error=FaultError,
        )
        if early:
            raise FaultError("the API server was back before it was to be")
