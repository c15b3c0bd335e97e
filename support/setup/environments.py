"""What is installed below the project: its own environment, Dynamo's environments, the generator of the report."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from support.errors import UsageError
from support.setup import MAIN, REPORT, ROOT
from support.setup.installer import InstallerFailed, call, explained

BEGUN = ".begun"
"""In an environment: it is being made; if nobody makes it, its making was interrupted and it cannot be trusted."""
WHEELS = ("--only-binary", ":all:")


def make_main(*, build: Path, main: Path) -> None:
    """The project's own environment, exactly as locked; `import support` and the command `behave` work in it."""
    with explained("the project's environment cannot be made"):
        _begin(MAIN)
        _pip(MAIN, *WHEELS, "--require-hashes", "-r", build)
        # etcd3 comes as source only; it is built with what `build` locks, not with whatever is newest today.
        as_source = ("--no-binary", "etcd3", "--use-pep517", "--no-build-isolation")
        _pip(MAIN, *WHEELS, *as_source, "--require-hashes", "-r", main)
    (_site_packages(MAIN) / "dynamo_fault_specs.pth").write_text(f"{ROOT}\n")
    _end(MAIN)


def make_dynamo(folder: Path, *, version: str, lock: Path | None) -> None:
    """Dynamo's environment. Without a lock: whatever its own requirements resolve to today."""
    if not re.fullmatch(r"\d+(\.\w+)*", version):
        raise UsageError(f"{version!r} is not a version of Dynamo: say one such as 1.4.2")
    with explained(f"Dynamo {version} cannot be installed"):
        _begin(folder)
        try:
            if lock:
                _pip(folder, *WHEELS, "--require-hashes", "-r", lock)
            else:
                _pip(folder, f"ai-dynamo=={version}")
        except InstallerFailed as failure:
            if (
                "No matching distribution found for ai-dynamo==" in failure.said
                and "from versions: none" not in failure.said
            ):
                shutil.rmtree(folder)
                raise UsageError(f"there is no Dynamo {version} for this machine: choose another version") from None
            raise
    _end(folder)


def make_report(manifest: Path, lock: Path) -> None:
    """The generator of the report, by the npm that came with the project's environment."""
    REPORT.mkdir(parents=True, exist_ok=True)
    for file in (manifest, lock):
        shutil.copyfile(file, REPORT / file.name)
    programs = MAIN / "bin"
    quick_to_give_up = ("--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000")
    environment = {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "npm_config_update_notifier": "false"}
    with explained("the generator of the report cannot be installed"):
        call(
            [
                programs / "npm",
                "ci",
                "--ignore-scripts",
                "--prefer-offline",
                "--no-audit",
                "--no-fund",
                *quick_to_give_up,
            ],
            environment=environment,
            cwd=REPORT,
        )


def _begin(folder: Path) -> None:
    """An environment to install into: the one that is there if it is sound, else a new one."""
    if (folder / BEGUN).exists() or not _sound(folder):
        if folder.is_symlink():
            folder.unlink()
        elif folder.exists():
            shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / BEGUN).touch()
    if not (folder / "bin" / "python").exists():
        call([_base_python(), "-m", "venv", folder])


def _end(folder: Path) -> None:
    (folder / BEGUN).unlink()


def _sound(folder: Path) -> bool:
    """Made here (its scripts hold its path), and its interpreter still runs and is the version we run on."""
    try:
        described = (folder / "pyvenv.cfg").read_text()
        program = subprocess.run(
            [folder / "bin" / "python", "-c", "import sys; print(*sys.version_info[:2])"],
            capture_output=True,
            text=True,
        )
    except OSError:
        return False
    made_at = re.search(r"^command = .* (/.*)$", described, re.MULTILINE)
    here = made_at is not None and os.path.realpath(made_at[1]) == os.path.realpath(folder)
    return here and program.stdout.split() == [str(number) for number in sys.version_info[:2]]


def _base_python() -> str:
    """The interpreter below ours, which may be an environment's."""
    return getattr(sys, "_base_executable", sys.executable)


def _pip(folder: Path, *arguments: str | Path) -> None:
    call([folder / "bin" / "python", "-m", "pip", "install", "--no-input", "--disable-pip-version-check", *arguments])


def _site_packages(folder: Path) -> Path:
    return folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
