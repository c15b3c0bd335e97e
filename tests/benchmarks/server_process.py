"""A server that has a process of its own, so that what it costs is not its clients'."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from typing import Any


class ServerProcess:
    """serve: called there with the arguments and a connection, by which it says its port. `with` gives its base URL."""

    def __init__(self, serve: Callable[..., None], *arguments: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(*arguments, theirs), daemon=True)

    def __enter__(self) -> str:
        self._process.start()
        return f"http://127.0.0.1:{self._ours.recv()}"

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.join()
