"""Programs that change or tell what the kernel does in a network namespace."""

from __future__ import annotations

import subprocess
from pathlib import Path


class KernelRefusal(Exception):
    """Says in the program's words why."""


def run_in(namespace: Path, program: str, *words: str, text: str | None = None) -> str:
    """What it says. KernelRefusal when it fails."""
    command = ["nsenter", f"--net={namespace}", "--", program, *words]
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"]
        raise KernelRefusal(f"{program} in {namespace.name}: {said[0]}")
    return done.stdout
