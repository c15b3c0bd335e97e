"""A file of YAML that the user names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from support.errors import UsageError


def documents(key: str, file: Path) -> list[Any]:
    """All but empty ones. key: the -D that names it. UsageError when it cannot be read, in one line."""
    try:
        return [one for one in yaml.safe_load_all(file.read_text()) if one is not None]
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as problem:
        raise UsageError(f"-D {key}={file} cannot be read: {' '.join(str(problem).split())}") from problem
