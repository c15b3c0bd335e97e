"""What the API server says when it refuses, in one sentence."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus

from kubernetes.client.exceptions import ApiException

_MAY_NOT = re.compile(
    r'User "(?P<user>.*?)" cannot (?P<verb>\S+) resource "(?P<resource>.*?)" in API group ".*?" (?P<where>.*)'
)


def said(refused: ApiException) -> str:
    """In its own words."""
    with suppress(ValueError, TypeError, KeyError):
        return str(json.loads(refused.body or "")["message"])
    return str(refused.reason)


def explained(refused: ApiException, context: str) -> str:
    """With what to do about it, where a right is missing. context: of KUBECONFIG."""
    if found := _MAY_NOT.search(said(refused)):
        told = found.groupdict()
        return (
            f"the context {context} may not {told['verb']} {told['resource']} {told['where']}: "
            f"give {told['user']} that right, or choose another with -D context"
        )
    return f"the cluster of the context {context} refuses: {said(refused)}"


@contextmanager
def absent() -> Iterator[None]:
    """What is not there is no error."""
    try:
        yield
    except ApiException as refused:
        if refused.status != HTTPStatus.NOT_FOUND:
            raise
