"""What `./specs` does before the command line proper: set up what the command needs, and become it."""

from __future__ import annotations

import os
import sys

from support.errors import SpecsError
from support.setup import MAIN
from support.setup.programs import add_system_programs_to_path
from support.setup.steps import Step, default_steps, environment_steps, prepare

LIGHT = ("cleanup",)
"""Commands that need the command line alone."""


def main(arguments: list[str]) -> int:
    """Set up, then become the command line. Returns, with the exit status, only when the set-up failed."""
    add_system_programs_to_path()
    try:
        prepare(needed(arguments))
    except KeyboardInterrupt:
        print("\nspecs: interrupted; the next call goes on where this one stopped", file=sys.stderr)
        return 130
    except SpecsError as error:
        print(f"specs: {error}", file=sys.stderr)
        return _doctor(arguments[1:]) if arguments[:1] == ["doctor"] else 2
    python = str(MAIN / "bin" / "python")
    os.execv(python, [python, "-P", "-m", "support.cli", *arguments])


def needed(arguments: list[str]) -> list[Step]:
    """The steps without which the command cannot run."""
    only_words = not arguments or arguments[0].startswith("-") or "--help" in arguments
    return environment_steps() if only_words or arguments[0] in LIGHT else default_steps()


def _doctor(arguments: list[str]) -> int:
    """A doctor must work above all where the set-up does not."""
    from support import doctor

    doctor.report(as_json="--json" in arguments)
    return 1
