"""The life of a fault, written down once.

PENDING      its intent, undo and deadline are durable, nothing has been done
INJECTING    it is being done
ACTIVE       an independent probe has seen its effect
RECOVERING   it is being taken back; it stays so, and is tried again, while a probe still sees it
RECOVERED    it was taken back on request, and a probe has seen it gone
EXPIRED      the same, by its deadline or because what it was done to has gone
FAILED       it had no effect, or lost it; a probe has seen that nothing is left of it
"""

from __future__ import annotations

from injector.words import Word


class State(Word):
    PENDING = "PENDING"
    INJECTING = "INJECTING"
    ACTIVE = "ACTIVE"
    RECOVERING = "RECOVERING"
    RECOVERED = "RECOVERED"
    EXPIRED = "EXPIRED"
    FAILED = "FAILED"

    @property
    def over(self) -> bool:
        """Nothing of it is left, and nothing will happen to it any more."""
        return not NEXT[self]


NEXT: dict[State, frozenset[State]] = {
    State.PENDING: frozenset({State.INJECTING, State.RECOVERING}),
    State.INJECTING: frozenset({State.ACTIVE, State.RECOVERING}),
    State.ACTIVE: frozenset({State.RECOVERING}),
    State.RECOVERING: frozenset({State.RECOVERED, State.EXPIRED, State.FAILED}),
    State.RECOVERED: frozenset(),
    State.EXPIRED: frozenset(),
    State.FAILED: frozenset(),
}
"""Every end comes after RECOVERING: nothing is called over that was not seen gone."""
