"""One request gives one record: what a client saw, when, and how it ended."""

from __future__ import annotations

import dataclasses
import itertools
import json
from dataclasses import dataclass, field
from typing import Any, Literal

Status = Literal["running", "completed", "cancelled", "error"]
ErrorClass = Literal["connect", "reset", "timeout", "http_status", "error_event", "truncated", "malformed"]
"""connect: no connection. reset: it broke. timeout: nothing came. http_status: answered 4xx or 5xx.
error_event: the stream carried an error. truncated: it ended without a finish reason or end mark. malformed: it is not
of the API's form."""

Endpoint = Literal["completions", "chat/completions"]
Api = Endpoint | Literal["responses", "messages", "kserve"]
"""What one client may ask: OpenAI's three ways, Anthropic's messages, and inferences of KServe's protocol."""

SCHEMA = 1


@dataclass(kw_only=True)
class Usage:
    """Token counts as the server reported them."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


@dataclass(kw_only=True, slots=True)
class Chunk:
    """A piece of an answer. at: seconds on the machine's monotonic clock (CLOCK_MONOTONIC)."""

    at: float
    text: str


@dataclass(kw_only=True)
class RequestRecord:
    """What one client saw of one request. Times are seconds on CLOCK_MONOTONIC, the start also in wall time."""

    request_id: str
    """As sent in x-request-id, and found in the logs of frontend and worker."""
    client: str = ""
    """Who asked, by the name that the scenario has for it."""
    endpoint: str
    """One of `Api`."""
    stream: bool
    model: str
    max_tokens: int
    prompt: str
    started_at: float = 0.0
    started_wall: float = 0.0
    """Seconds since the epoch."""
    headers_at: float | None = None
    first_token_at: float | None = None
    ended_at: float | None = None
    chunks: list[Chunk] = field(default_factory=list)
    """Chunks that carried text, in order. A unary answer is one chunk."""
    status: Status = "running"
    http_status: int | None = None
    error_class: ErrorClass | None = None
    error: str | None = None
    """The server's or the transport's own words."""
    finish_reason: str | None = None
    usage: Usage | None = None
    done_mark: bool = False
    """The stream ended with `data: [DONE]`."""
    schema: int = SCHEMA

    @property
    def text(self) -> str:
        return "".join(chunk.text for chunk in self.chunks)

    @property
    def gaps(self) -> list[float]:
        """Seconds between one chunk and the next."""
        times = [chunk.at for chunk in self.chunks]
        return [later - earlier for earlier, later in itertools.pairwise(times)]

    def to_json(self) -> str:
        """One line of JSON, with the derived `text` left out (it is the chunks')."""
        data: dict[str, Any] = dataclasses.asdict(self)
        data["chunks"] = [[round(chunk.at - self.started_at, 6), chunk.text] for chunk in self.chunks]
        return json.dumps(data, ensure_ascii=False)
