"""The link of a client is cut: not one packet more goes to it or comes from it, and nobody is told."""

from __future__ import annotations

from support.deployment import FarClient
from support.errors import FaultError
from support.faults import Fault
from support.requests import CancellableRequest
from support.waiting import consistently


class CutClient(Fault):
    """Cuts a client off until it is healed."""

    name = "cut off"
    lasting = True

    def __init__(self, name: str, client: FarClient, request: CancellableRequest) -> None:
        self.victim = name
        self._client, self._request = client, request
        self._received = 0

    def inject(self) -> None:
        self._client.cut()
        self._received = len(self._request.record.chunks)

    def verify(self) -> str:
        if not self._client.cut_off:
            raise FaultError(f"the link of the {self.victim} was cut and is still up")
        consistently(
            self._silent,
            during=0.3,
            describe=f"the link of the {self.victim} was cut, but nothing reaches the {self.victim}",
            error=FaultError,
        )
        return f"the link of the {self.victim} is down, nothing came after {self._received} tokens"

    def _silent(self) -> bool:
        """One that was under way when the link was cut may have been counted since."""
        return len(self._request.record.chunks) <= self._received + 1

    def heal(self) -> None:
        self._client.mend()
