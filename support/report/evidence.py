"""Evidence for the report: give it a name and a body, from a step or a hook, and it lands where it belongs.

In a step it lands in that step, in a hook or clean-up of a scenario in that scenario, elsewhere in the report as a
whole. Call it in behave's own thread. Nothing happens when no report is being written.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import allure_commons

from support.errors import UsageError

Kind = Literal["text", "log", "json", "jsonl", "csv", "svg", "png", "html", "xml"]

_MEDIA_TYPES = {
    "text": ("text/plain", "txt"),
    "log": ("text/plain", "log"),
    "json": ("application/json", "json"),
    "jsonl": ("text/plain", "jsonl"),
    "csv": ("text/csv", "csv"),
    "svg": ("image/svg+xml", "svg"),
    "png": ("image/png", "png"),
    "html": ("text/html", "html"),
    "xml": ("application/xml", "xml"),
}

_allure: Any = allure_commons  # it says that it is typed, but its functions are not


def attach(name: str, body: str | bytes, kind: Kind = "text") -> None:
    """Add `body` to the report, under `name`. Text is written as UTF-8. UsageError for an unknown kind."""
    media_type, extension = _media_type(kind)
    _allure.plugin_manager.hook.attach_data(body=body, name=name, attachment_type=media_type, extension=extension)


def attach_file(path: Path, name: str, kind: Kind = "text") -> None:
    """Add a copy of the file, as it is now, to the report. UsageError for an unknown kind."""
    media_type, extension = _media_type(kind)
    _allure.plugin_manager.hook.attach_file(
        source=str(path), name=name, attachment_type=media_type, extension=extension
    )


def _media_type(kind: str) -> tuple[str, str]:
    if kind not in _MEDIA_TYPES:
        raise UsageError(f"unknown kind of evidence {kind!r}: choose one of {', '.join(_MEDIA_TYPES)}")
    return _MEDIA_TYPES[kind]
