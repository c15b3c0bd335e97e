"""Set-up: everything the project needs on a machine, in steps that are done once.

Runs on the machine's own python3 before there is any environment, so it imports the standard library only.
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
LOCKS = ROOT / "support" / "setup" / "locks"
MAIN = ROOT / ".venv"
STATE = ROOT / ".specs"
DYNAMO_ENVIRONMENTS = STATE / "dynamo"
REPORT = STATE / "report"
LOG = STATE / "setup.log"
"""Everything the installers said, of the latest set-up that did something."""
