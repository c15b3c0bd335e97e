"""A load client that silently starts only every second of its requests: `python -m tests.broken_load FOLDER SHARD`."""

from __future__ import annotations

import itertools
from typing import Any
from unittest.mock import patch

from support.load import program


class StartsHalf(program.Shard):
    """Says nothing of the others."""

    _turn = itertools.count()

    def _start(self, work: Any) -> None:
        if next(self._turn) % 2:
            work.close()
        else:
            super()._start(work)


if __name__ == "__main__":
    with patch.object(program, "Shard", StartsHalf):
        program.main()
