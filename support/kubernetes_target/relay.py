"""Speaks with the keeper of the container that this is exec'd into: from its own input, to its own output."""

from __future__ import annotations

import os
import socket
import sys
import threading


def main(path: str) -> None:
    """Until either side has nothing more to say."""
    with socket.socket(socket.AF_UNIX) as keeper:
        keeper.connect(path)

        def ask() -> None:
            while asked := os.read(0, 1 << 16):
                keeper.sendall(asked)
            keeper.shutdown(socket.SHUT_RDWR)

        threading.Thread(target=ask, daemon=True).start()
        while told := keeper.recv(1 << 16):
            os.write(1, told)


if __name__ == "__main__":
    main(sys.argv[1])
