"""One shard of a load in a pod of a Job: the pod waits, and who is exec'd into it runs the load client, and is heard.

    python3 -m support.kubernetes_target.load_shard wait    the container's first process, until a shard has run
    python3 -m support.kubernetes_target.load_shard run     the shard

`run` reads {"plan": ..., "shard": number} as its first line, then what `support.load.program` is told, with times as
seconds since the epoch: the clocks that both sides share. It tells what that tells, once a second, and at the end its
files: {"file": name, "data": base64 of compressed bytes}, as many as it takes, and {"sent": true}; or, of a load client
that did not end well, {"broke": its status}. Standard library.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from pathlib import Path
from typing import Any

from support.kubernetes_target.in_image import LOAD_PYTHON

DONE = Path("/tmp/shard-has-run")  # of a container
PIECE = 1 << 20
"""Bytes of a file that are sent together, before compression."""
TELLS_EVERY = 1.0
LOOKS_EVERY = 0.5


def wait() -> None:
    """Return when a shard has run and all of it is told."""
    while not DONE.exists():
        time.sleep(LOOKS_EVERY)


def run(*, python: str = str(LOAD_PYTHON)) -> int:
    """Run the shard that is described, to its end; returns its status."""
    asked = json.loads(sys.stdin.readline())
    offset = time.time() - time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder, number = Path(name), str(asked["shard"])
        (folder / "load.json").write_text(json.dumps({"plan": asked["plan"], "clock_offset": offset}))
        program = [python, "-m", "support.load.program", name, number]
        with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as shard:
            threading.Thread(target=_hear, args=(shard, offset), daemon=True).start()
            _tell_on(shard, offset)
        if shard.returncode:
            _say({"broke": shard.returncode})
            return shard.returncode
        for file in sorted(folder.glob(f"*-{int(number):04}.json*")):
            _send(file)
        _say({"sent": True})
    DONE.touch()
    return shard.returncode


def _hear(shard: subprocess.Popen[bytes], offset: float) -> None:
    """Pass on what is told, until nobody is there any more: then the shard gives up."""
    assert shard.stdin
    for line in sys.stdin:
        word, _, at = line.strip().partition(" ")
        told = f"{word} {float(at) - offset}" if at else word
        shard.stdin.write(f"{told}\n".encode())
        shard.stdin.flush()
    shard.stdin.close()


def _tell_on(shard: subprocess.Popen[bytes], offset: float) -> None:
    told_at = 0.0
    assert shard.stdout
    for line in shard.stdout:
        said: dict[str, Any] = json.loads(line)
        if said.get("ready") or said.get("over") or time.monotonic() - told_at > TELLS_EVERY:
            told_at = time.monotonic()
            if said.get("oldest") is not None:
                said["oldest"] += offset
            _say(said)


def _send(file: Path) -> None:
    with file.open("rb") as read:
        while piece := read.read(PIECE):
            _say({"file": file.name, "data": base64.b64encode(zlib.compress(piece)).decode()})


def _say(what: dict[str, Any]) -> None:
    os.write(1, json.dumps(what).encode() + b"\n")


if __name__ == "__main__":
    if sys.argv[1] == "run":
        sys.exit(run())
    wait()
