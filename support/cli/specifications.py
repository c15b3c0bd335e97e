"""Running specifications: look at what the user asked for, then become behave inside the lab."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from support.errors import UsageError
from support.local.installed import dynamo_python
from support.settings import ROOT, Settings
from support.tags import check_expression, with_default_selection

PATHS = ("log_dir", "etcd", "described", "graph")
"""Settings whose relative value means the user's folder, not the project's, where behave runs."""


def run(arguments: Sequence[str]) -> int:
    """Become `python -m behave` with these arguments and the default selection. UsageError before anything starts.

    With `-j N` there are several, and this returns their exit status.
    """
    from support.cli import parallel

    jobs, arguments = parallel.jobs_of(arguments)
    argv = behave_arguments(arguments, cwd=Path.cwd())
    settings = settings_of(list(values(arguments, "-D", "--define")))
    if settings.target == "local" and settings.engine != "real":
        dynamo_python(settings.dynamo)
    os.chdir(ROOT)
    command = [sys.executable, "-m", "behave", *argv]
    if jobs > 1 and settings.target == "kubernetes" and (there := settings.attach or settings.graph):
        raise UsageError(f"-j {jobs}: there is one deployment, {there}, for one scenario at a time")
    if settings.target == "local":
        command = _in_lab(command)
    if jobs > 1:
        return parallel.run(command, settings, jobs)
    os.execv(command[0], command)


def behave_arguments(arguments: Sequence[str], *, cwd: Path) -> list[str]:
    """What behave is called with in the project's folder by one who typed `arguments` in `cwd`."""
    tags = list(values(arguments, "-t", "--tags"))
    check_expression(tags)
    _refuse_absent(arguments, cwd)
    added = with_default_selection(tags)[len(tags) :]
    return [*_seen_from_root(arguments, cwd), *(f"--tags={expression}" for expression in added)]


def settings_of(definitions: Sequence[str]) -> Settings:
    """From the values of -D. A key alone means true."""
    return Settings.read(dict(_definition(definition) for definition in definitions))


def values(arguments: Sequence[str], short: str, long: str) -> Iterator[str]:
    """Values of an option in all the ways it can be written: `-tX`, `-t X`, `--tags=X`, `--tags X`."""
    rest = iter(arguments)
    for argument in rest:
        if argument in (short, long):
            value = next(rest, None)
            if value is None:
                raise UsageError(f"{argument} needs a value after it")
            yield value
        elif argument.startswith(f"{long}="):
            yield argument.removeprefix(f"{long}=")
        elif argument.startswith(short):
            yield argument.removeprefix(short)


def _refuse_absent(arguments: Sequence[str], cwd: Path) -> None:
    """Of a path that looks like features: behave itself would end with the name of its exception."""
    for argument in arguments:
        path = argument.partition(":")[0]
        if (path.startswith("features/") or path.endswith(".feature")) and not (cwd / path).exists():
            raise UsageError(f"there is no {path} in {cwd}: name a folder or file below features/")


def _definition(text: str) -> tuple[str, str]:
    key, equals, value = text.strip("\"'").partition("=")
    if not key.strip():
        raise UsageError(f"-D {text!r}: write -D KEY=VALUE, such as -D request_plane=nats")
    return key.strip(), value.strip() if equals else "true"


def _seen_from_root(arguments: Sequence[str], cwd: Path) -> list[str]:
    """Paths that the user named from another folder, as they are from the project's."""
    if cwd == ROOT:
        return list(arguments)
    return [_absolute(argument, cwd) for argument in arguments]


def _absolute(argument: str, cwd: Path) -> str:
    key, equals, value = argument.partition("=")
    if equals and key.removeprefix("-D") in PATHS:
        return f"{key}={cwd / Path(value).expanduser()}"
    path, colon, line = argument.partition(":")
    return f"{cwd / path}{colon}{line}" if path.strip(".") and (cwd / path).exists() else argument


def _in_lab(command: list[str]) -> list[str]:
    """The command in a lab; as it is where there can be none (scenarios that need one are then skipped, with the
    reason)."""
    from support.local import lab

    return command if lab.unavailable() else [sys.executable, "-m", lab.__name__, *command]
