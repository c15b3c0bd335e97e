"""The load client: many clients at once, in processes of their own; every request gives one record on disk."""

from support.load.client import client

__all__ = ["client"]
