"""Queues of the kernel in which packets wait that somebody has marked (tc).

A queue (htb) stands at the root of each device by which the peers are reached, known by a handle that follows from its
name. What is marked goes through its one class, everything else past it as ever.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from zlib import crc32

from injector.agents.inside import run_in

LATE = ("netem", "delay", "{}ms")
"""What those that are marked wait in."""
_UNLIMITED = "30gbit"


def marked(name: str) -> str:
    """The priority of a packet that is to wait, as nft and tc have it."""
    return f"{_handle(name)}:2"


def delay(namespace: Path, name: str, peers: Sequence[str], milliseconds: int) -> None:
    """Let wait what is marked of what goes to these. KernelRefusal, and nothing is left of it."""
    try:
        for device in _devices(namespace, peers):
            root, late = f"{_handle(name)}:", [word.format(milliseconds) for word in LATE]
            run_in(namespace, "tc", "qdisc", "add", "dev", device, "root", "handle", root, "htb")
            whole = ("parent", root, "classid", marked(name), "htb", "rate", _UNLIMITED)
            run_in(namespace, "tc", "class", "add", "dev", device, *whole)
            run_in(namespace, "tc", "qdisc", "add", "dev", device, "parent", marked(name), *late)
    except BaseException:
        end(namespace, name)
        raise


def end(namespace: Path, name: str) -> None:
    """Take them away. Safe to call twice."""
    for device in there(namespace, name):
        run_in(namespace, "tc", "qdisc", "del", "dev", device, "root", "handle", f"{_handle(name)}:")


def there(namespace: Path, name: str) -> list[str]:
    """Devices at whose root one of that name stands."""
    told = json.loads(run_in(namespace, "tc", "-j", "qdisc", "show") or "[]")
    return [each["dev"] for each in told if each.get("root") and each["handle"] == f"{_handle(name)}:"]


def _devices(namespace: Path, peers: Sequence[str]) -> list[str]:
    routes = [json.loads(run_in(namespace, "ip", "-j", "route", "get", peer)) for peer in peers]
    return sorted({route["dev"] for told in routes for route in told})


def _handle(name: str) -> str:
    """Of 1 to fffe: 0 and ffff are the kernel's."""
    return f"{crc32(name.encode()) % 0xFFFE + 1:x}"
