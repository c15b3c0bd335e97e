"""Run the command line; whatever goes wrong is one sentence and a status, never a traceback."""

from __future__ import annotations

import sys

from typer.exceptions import Abort, Exit, TyperException

from support.cli.app import app
from support.errors import SpecsError


def main() -> int:
    """The exit status: the command's own, 2 for what the user or the machine must change, 130 when interrupted."""
    try:
        status = app(standalone_mode=False, prog_name="./specs")
        return status if isinstance(status, int) else 0
    except SpecsError as error:
        message, code = str(error), 2
    except TyperException as error:  # e.g. a command or an option that does not exist
        message, code = f"{str(error).rstrip('.')}; see ./specs --help", 2
    except Exit as exit_:
        return exit_.exit_code
    except (Abort, KeyboardInterrupt):
        message, code = "interrupted", 130
    print(f"specs: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
