"""What a listing of the API server shows, and what becomes of it: watched, not polled."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

import urllib3
from kubernetes.client.exceptions import ApiException
from kubernetes.watch import Watch

ANSWERS_WITHIN = 15.0
"""Seconds for one question to the API server."""
_SLACK = 5.0
"""Seconds beyond its time after which a watch that says nothing is taken for dead."""
_LISTS_AGAIN = 0.2
"""Seconds between a watch that ended early and the next list, so that a server in trouble is not besieged."""


def states(listing: Callable[..., Any], *, within: float, **which: Any) -> Iterator[dict[str, Any]]:
    """The objects by name, as listed and after each change, for so many seconds. Raises what the client raises.

    listing: a method of the client, such as `list_namespaced_pod`; which: its parameters. A watch that ends early (the
    server was restarted, a proxy in between lost patience, what it watched from is compacted) is taken up again with
    a new list, since changes may have been missed.
    """
    until = time.monotonic() + within
    while True:
        listed = listing(**which, _request_timeout=ANSWERS_WITHIN)
        items, version = _listed(listed)
        there = {_name(one): one for one in items}
        yield there
        left = until - time.monotonic()
        if left <= 0:
            return
        for kind, one in _changes(listing, left, resource_version=version, **which):
            if kind == "DELETED":
                there.pop(_name(one), None)
            else:
                there[_name(one)] = one
            yield there
        time.sleep(max(min(_LISTS_AGAIN, until - time.monotonic()), 0))  # a backoff: nothing could be awaited instead


def _listed(listed: Any) -> tuple[Any, str]:
    """The objects, and the version as of which these are all. Of custom objects the client has no type: a dict."""
    if isinstance(listed, dict):
        return listed["items"], listed["metadata"]["resourceVersion"]
    return listed.items, listed.metadata.resource_version


def _name(one: Any) -> str:
    return str(one["metadata"]["name"] if isinstance(one, dict) else one.metadata.name)


def _changes(listing: Callable[..., Any], within: float, **which: Any) -> Iterator[tuple[str, Any]]:
    """Until the time is up, or the watch ends early."""
    seconds = math.ceil(within)
    watch: Any = Watch()  # type: ignore[no-untyped-call]  # the client has no types
    try:
        for event in watch.stream(listing, timeout_seconds=seconds, _request_timeout=seconds + _SLACK, **which):
            yield event["type"], event["object"]
    except urllib3.exceptions.ProtocolError:
        return  # cut off: the next list tells whether the server is there
    except ApiException as refused:
        if refused.status != HTTPStatus.GONE:
            raise
