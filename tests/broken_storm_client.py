"""A load client of which everybody stays whatever its plan says: `python -m tests.broken_storm_client FOLDER SHARD`."""

from __future__ import annotations

from unittest.mock import patch

from support.load import program
from support.load.exchange import Answer

if __name__ == "__main__":
    with patch.object(Answer, "enough", False):
        program.main()
