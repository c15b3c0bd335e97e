"""Requests that nobody can answer, and how a frontend refuses them.

`support.requests` sends what is well formed; here is the rest: one question over a connection of its own, as raw as its
sender made it, and the whole answer.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from hamcrest.core.base_matcher import BaseMatcher
from hamcrest.core.description import Description

from support.errors import UsageError
from support.streams import error_text
from support.waiting import scaled

COMPLETIONS, CHAT = "/v1/completions", "/v1/chat/completions"
HANGS_AFTER = 10.0
"""Seconds (scaled) without a byte after which a question counts as never answered."""
CONTEXT_LENGTH = 32_768
"""Tokens that the model of the local target takes, prompt and answer together."""

_FIRST_ERROR = 400

REFUSALS: Mapping[str, tuple[int, ...]] = {
    "unknown": (404,),
    "not offered": (404, 405),
    "malformed": (400, 422),
    "of the wrong kind": (415, 400),
    "too long": (400, 413),
    "too large": (413,),
    "overloaded": (529, 503),
    "not ready": (503,),
    "broken": (500,),
}
"""What a refusal is called, and the HTTP statuses that say so. 529 is Dynamo's own for an overload, 503 the older."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """One HTTP request as it is sent. content_type: None sends none."""

    method: str = "POST"
    path: str = COMPLETIONS
    body: bytes = b""
    content_type: str | None = "application/json"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The whole answer. took: seconds from the question's first byte to the answer's last."""

    status: int
    body: str
    took: float
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""

    @property
    def words(self) -> str:
        """What a reader is told: the message of an error, else the body; "(no text)" when there is none."""
        return error_text(self.body)

    @property
    def form(self) -> dict[str, Any] | None:
        """The body as a JSON object; None when it is none."""
        try:
            data = json.loads(self.body)
        except ValueError:
            return None
        return data if isinstance(data, dict) else None

    def __str__(self) -> str:
        said = self.words if self.status >= _FIRST_ERROR else "an answer"
        return f"{self.status} after {self.took * 1000:.0f} ms: {said}"


def ask(base_url: str, question: Question, *, request_id: str | None = None) -> Answer:
    """Send it and read the answer to its end.

    AssertionError when there is none: the connection is refused or breaks, or nothing comes for `HANGS_AFTER` seconds.
    """
    headers = {"accept-encoding": "identity"}
    if question.content_type is not None:
        headers["content-type"] = question.content_type
    if request_id is not None:
        headers["x-request-id"] = request_id
    begun = time.monotonic()
    try:
        with httpx.Client(trust_env=False, verify=False, timeout=scaled(HANGS_AFTER)) as client:
            url = base_url.rstrip("/") + question.path
            got = client.request(question.method, url, content=question.body, headers=headers)
    except httpx.HTTPError as failure:
        waited = time.monotonic() - begun
        raise AssertionError(f"there was no answer, after {waited:.2f} s: {failure!r}") from failure
    return Answer(status=got.status_code, body=got.text, took=time.monotonic() - begun, headers=dict(got.headers))


def flawed(flaw: str, model: str) -> Question:
    """A request to a frontend that serves `model`, with one thing wrong. UsageError when nobody knows that flaw."""
    try:
        return FLAWS[flaw](model)
    except KeyError:
        raise UsageError(f"no request {flaw!r} is known: choose one of {', '.join(FLAWS)}") from None


def completion(model: str, /, **fields: Any) -> Question:
    """A good one of 5 tokens, but for these fields; one that is None is left out."""
    return _question(COMPLETIONS, {"model": model, "prompt": "1 2 3 4 1000", "max_tokens": 5} | fields)


def chat(model: str, /, **fields: Any) -> Question:
    """As `completion`."""
    said = [{"role": "user", "content": "1 2 3 4 1000"}]
    return _question(CHAT, {"model": model, "messages": said, "max_tokens": 5} | fields)


def _question(path: str, fields: Mapping[str, Any]) -> Question:
    sent = {name: value for name, value in fields.items() if value is not None}
    return Question(path=path, body=json.dumps(sent).encode())


def _kind(content_type: str | None) -> Callable[[str], Question]:
    return lambda model: Question(body=completion(model).body, content_type=content_type)


FLAWS: Mapping[str, Callable[[str], Question]] = {
    "names a model that nobody serves": lambda model: completion("nobody"),
    "opens a chat with a model that nobody serves": lambda model: chat("nobody", stream=True),
    "names no model": lambda model: completion(model, model=None),
    "is broken off": lambda model: Question(body=completion(model).body[:-9]),
    "is empty": lambda model: Question(),
    "is no text": lambda model: Question(body=b'{"model": "\xff\xfe"}'),
    "has no prompt": lambda model: completion(model, prompt=None),
    "opens a chat without a word": lambda model: chat(model, messages=[]),
    "asks for -1 tokens": lambda model: chat(model, max_tokens=-1),
    "asks for 0 tokens": lambda model: completion(model, max_tokens=0),
    "has a field that nobody knows": lambda model: completion(model, nonsense=1),
    "says that it is prose": _kind("text/plain"),
    "does not say what it is": _kind(None),
    "is longer than the model can read": lambda model: completion(model, prompt="7 " * CONTEXT_LENGTH + "7"),
    "is larger than 1 MB": lambda model: completion(model, user="x" * 2**20),
    "asks for what is not offered": lambda model: Question(path="/v1/wishes", body=b"{}"),
    "only looks where one has to ask": lambda model: Question(method="GET", content_type=None),
}
"""What can be wrong with a request, as Gherkin says it, by the model that is served."""


class Refused(BaseMatcher[Answer]):
    """Matches an answer that refuses as it should: the status, in time, with words."""

    def __init__(self, refusal: str, *, within: float) -> None:
        """refusal: a key of REFUSALS. within: seconds, scaled by the run's timeout_scale."""
        if refusal not in REFUSALS:
            raise UsageError(f"no refusal is called {refusal!r}: choose one of {', '.join(REFUSALS)}")
        self._refusal = refusal
        self._within = within

    def _matches(self, item: Answer) -> bool:
        return not self.faults(item)

    def faults(self, answer: Answer) -> list[str]:
        """What is wrong with it, one clause each."""
        allowed = REFUSALS[self._refusal]
        found = []
        if answer.status not in allowed:
            found.append(f"its status is {answer.status}, not {' or '.join(map(str, allowed))}")
        if answer.took > scaled(self._within):
            found.append(f"it took {answer.took:.2f} s")
        return found

    def describe_to(self, description: Description) -> None:
        description.append_text(f"refused as {self._refusal} within {self._within:g} s")

    def describe_mismatch(self, item: Answer, mismatch_description: Description) -> None:
        mismatch_description.append_text(f"{'; '.join(self.faults(item))} ({item})")


class TellsAProgram(BaseMatcher[Answer]):
    """Matches a refusal of Dynamo's documented form: message, type, and a code that is the status."""

    def _matches(self, item: Answer) -> bool:
        return not self.faults(item)

    def faults(self, answer: Answer) -> list[str]:
        """What its form lacks, one clause each."""
        form = answer.form
        if form is None:
            return [f"it is no JSON object: {answer.body[:100]!r}"]
        lacks = [f"it has no {name}" for name in ("message", "type") if not form.get(name)]
        if form.get("code") != answer.status:
            lacks.append(f"its code is {form.get('code')}, its status {answer.status}")
        return lacks

    def describe_to(self, description: Description) -> None:
        description.append_text("a refusal with message, type and code")

    def describe_mismatch(self, item: Answer, mismatch_description: Description) -> None:
        mismatch_description.append_text("; ".join(self.faults(item)))
