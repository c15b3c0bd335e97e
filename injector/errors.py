"""What the injection service and its agents refuse, and the HTTP status that says it.

    Refusal                 never raised itself
    ├── Unauthorised   401  no token, or a wrong one
    ├── Forbidden      403  protected, not opted in, or more at once than is allowed
    ├── Unknown        404  no such target or fault
    ├── Conflict       409  another fault has the target, or the id
    ├── Invalid        422  a value that cannot be; names the field
    ├── Unable         501  this node cannot do it
    └── Undone         502  the agent is unreachable, or a fault had no effect, or could not be taken back

Every message is one sentence that names the thing and says what to do.
"""

from __future__ import annotations

from typing import ClassVar


class Refusal(Exception):
    """Base of all."""

    status: ClassVar[int]

    def __init__(self, detail: str, *, field: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.field = field
        """Of the request, by its name there, e.g. "parameters.effect"."""


class Unauthorised(Refusal):
    status = 401


class Forbidden(Refusal):
    status = 403


class Unknown(Refusal):
    status = 404


class Conflict(Refusal):
    status = 409


class Invalid(Refusal):
    status = 422


class Unable(Refusal):
    status = 501


class Undone(Refusal):
    status = 502


def of_status(status: int, detail: str, field: str | None = None) -> Refusal:
    """The refusal that an agent answered with; whatever it is not known by its status, it is `Undone`."""
    kinds = {kind.status: kind for kind in Refusal.__subclasses__()}
    return kinds.get(status, Undone)(detail, field=field)
