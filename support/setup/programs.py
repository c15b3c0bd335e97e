"""Programs of the machine that the project needs, and the Debian packages that hold them."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys

from support.errors import Unavailable
from support.setup import MAIN
from support.setup.installer import call, explained

PACKAGES = {
    "ip": "iproute2",
    "tc": "iproute2",
    "nft": "nftables",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "mount": "mount",
}
"""By program."""
SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")


def add_system_programs_to_path() -> None:
    """Debian leaves the folders of nft and tc out of an ordinary user's PATH."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    os.environ["PATH"] = os.pathsep.join([*folders, *(folder for folder in SYSTEM_FOLDERS if folder not in folders)])


def missing_packages() -> list[str]:
    """The Debian packages that have to be installed, in order of their names."""
    missing = {package for program, package in PACKAGES.items() if not shutil.which(program)}
    if not (MAIN / "bin" / "python").exists() and importlib.util.find_spec("ensurepip") is None:
        missing.add(f"python3.{sys.version_info.minor}-venv")
    return sorted(missing)


def check_installable(packages: list[str]) -> None:
    """Unavailable, with the line to type, when they are missing and this is not root, or not Debian."""
    names = " ".join(packages)
    if not shutil.which("apt-get"):
        raise Unavailable(f"this machine lacks what Debian's {names} hold and has no apt-get: install the like of them")
    if os.geteuid() != 0:
        raise Unavailable(f"Debian packages are missing: sudo apt-get install {names}")


def install(packages: list[str]) -> None:
    """Install them, as root."""
    names = " ".join(packages)
    print(f"installing {names} ...", end=" ", file=sys.stderr, flush=True)
    environment = {"DEBIAN_FRONTEND": "noninteractive"}
    with explained("Debian's package manager failed", remedy=f"make 'apt-get install {names}' work"):
        call(["apt-get", "-q", "update"], environment=environment)
        call(["apt-get", "-q", "install", "--yes", "--no-install-recommends", *packages], environment=environment)
