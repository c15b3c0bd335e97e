"""Certificates for tests of mutual TLS, made by openssl."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from injector.tls import AGENT

needs_openssl = pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl, to make certificates")


def openssl(*words: str) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True)


def certificates(folder: Path, *, name: str = AGENT) -> Path:
    """A folder with an authority of its own, and a certificate of that name by it."""
    folder.mkdir()
    key, asked, made, authority = (str(folder / one) for one in ("tls.key", "asked", "tls.crt", "ca.crt"))
    authority_key, more = str(folder / "ca.key"), folder / "more"
    more.write_text(f"subjectAltName=DNS:{name}")
    new = ("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl(*new, "-x509", "-keyout", authority_key, "-out", authority, "-subj", "/CN=authority", "-days", "1")
    openssl(*new, "-keyout", key, "-out", asked, "-subj", f"/CN={name}")
    signed = ("-CA", authority, "-CAkey", authority_key, "-CAcreateserial", "-days", "1", "-extfile", str(more))
    openssl("x509", "-req", "-in", asked, "-out", made, *signed)
    return folder
