"""When the phases of a load were, and the faults: `marks.json` in the folder of its records.

    {"schema": 1, "phases": [{"name": "STANDARD", "begin": 1.0, "end": 3.0}, ...],
     "faults": [{"name": "killed", "target": "vllm-worker-0", "begin": 3.0, "end": 3.0, "evidence": "...",
                "slows_clients": false}]}

Times are seconds since the epoch on the clock of the records. A fault without an end was there to the end.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from support.errors import UsageError
from support.scenarios import PHASES

SCHEMA = 1
FILE = "marks.json"


@dataclass(frozen=True)
class Phase:
    """One of `PHASES`, from begin to end."""

    name: str
    begin: float
    end: float


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What was done, to whom, when, and what showed it."""

    name: str
    target: str
    begin: float
    end: float | None = None
    evidence: str = ""
    slows_clients: bool = False
    """See `support.faults.Fault`."""


@dataclass(frozen=True, kw_only=True)
class Marks:
    """Phases in order, without overlap, and faults. UsageError for any that are not."""

    phases: Sequence[Phase] = ()
    faults: Sequence[Fault] = ()

    def __post_init__(self) -> None:
        for phase in self.phases:
            if phase.name not in PHASES:
                raise UsageError(f"there is no phase {phase.name!r}: there are {', '.join(PHASES)}")
            if phase.end < phase.begin:
                raise UsageError(f"the phase {phase.name} ends before it begins: its marks are broken")
        for one, other in itertools.pairwise(self.phases):
            if other.begin < one.end or PHASES.index(other.name) <= PHASES.index(one.name):
                raise UsageError(f"the phases {one.name} and {other.name} overlap or are out of order")

    def write(self, folder: Path) -> None:
        described = {"schema": SCHEMA, **dataclasses.asdict(self)}
        (folder / FILE).write_text(json.dumps(described, indent=1))

    @classmethod
    def read(cls, folder: Path) -> Marks:
        """UsageError when they are not there, cannot be read, or contradict themselves."""
        path = folder / FILE
        try:
            told = json.loads(path.read_text())
            if told["schema"] != SCHEMA:
                raise UsageError(f"{path} has schema {told['schema']}, this version reads {SCHEMA}")
            return cls(
                phases=[Phase(**phase) for phase in told["phases"]], faults=[Fault(**fault) for fault in told["faults"]]
            )
        except FileNotFoundError:
            raise UsageError(f"there are no marks in {folder}: its phases are unknown") from None
        except (ValueError, KeyError, TypeError) as broken:
            raise UsageError(f"{path} is broken: {broken}") from broken
