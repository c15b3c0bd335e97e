"""How Gherkin's words become values: the parameter types of step texts."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import parse

from support.deeds import parse_deed
from support.departures import DEPARTURES, Departure
from support.deployment import Component, Deployment
from support.errors import UsageError
from support.faults import Fault
from support.faults.engine_failure import EngineFailure
from support.faults.failing_rollout import FLAWS as UPGRADES
from support.faults.kill import Kill
from support.faults.pause import Pause
from support.faults.terminate import Interrupt, Terminate
from support.refusals import FLAWS, REFUSALS
from support.requests import CancellableRequest, send_chat_completion_request, send_completion_request
from support.spec import MODEL_FLAWS, Backend, Plane

PROMPT = "1 2 3 4 1000"
"""Five tokens; the counting engine goes on with 1001."""


OtherApi = Literal["responses", "messages", "kserve"]


@dataclass(frozen=True)
class Ask:
    """What a client asks for."""

    tokens: int
    chat: bool
    stream: bool
    counted: bool = True
    """A stream ends with the counts of its tokens."""
    worker: int | None = None
    """Id of the instance that is to answer; None: whichever."""
    api: OtherApi | None = None
    """Another way to ask than for a completion or a chat."""
    prompt: str = PROMPT
    wishes: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of the body."""

    def of(self, deployment: Deployment, request: CancellableRequest | None = None) -> CancellableRequest:
        """Send it, as this request or as a new one."""
        if self.api == "kserve":
            return self._infer(deployment, request)
        if self.api:
            return self._other(deployment, request or CancellableRequest())
        send = send_chat_completion_request if self.chat else send_completion_request
        extra: dict[str, Any] = dict(self.wishes)
        if not self.counted:
            extra["stream_options"] = {"include_usage": False}
        if self.worker is not None:
            extra["nvext"] = {"backend_instance_id": self.worker}
        return send(
            deployment.base_url,
            deployment.model,
            self.prompt,
            self.tokens,
            stream=self.stream,
            extra=extra,
            cancellable_request=request,
        )

    def _other(self, deployment: Deployment, request: CancellableRequest) -> CancellableRequest:
        asked: dict[str, Any] = (
            {"input": self.prompt, "max_output_tokens": self.tokens}
            if self.api == "responses"
            else {"messages": [{"role": "user", "content": self.prompt}], "max_tokens": self.tokens}
        )
        body = {"model": deployment.model, "stream": self.stream, **asked}
        request.send(deployment.base_url, self.api or "responses", body, prompt=self.prompt, timeout=None)
        return request

    def _infer(self, deployment: Deployment, request: CancellableRequest | None) -> CancellableRequest:
        from support.kserve import KserveRequest  # gRPC and Protobuf take 0.1 s, which only its scenarios should cost

        if request:
            raise UsageError("an inference of KServe's protocol has a client of its own kind, and nothing special")
        inference = KserveRequest()
        inference.infer(deployment.kserve_address, deployment.model, PROMPT, stream=self.stream, tokens=self.tokens)
        return inference


_APIS: Mapping[str, OtherApi] = {
    "a response of": "responses",
    "a message of": "messages",
    "an inference of": "kserve",
}


@parse.with_pattern(
    r"(?:streams|awaits) (?:(?:a (?:chat|completion|response|message)|an inference) of )?\d+ tokens"
    r"(?: without their count| after a prompt of \d+)?"
)
def parse_ask(text: str) -> Ask:
    """ "streams a chat of 200 tokens", "awaits a completion of 200 tokens": streamed or in one piece.

    A response is OpenAI's newer way to ask, a message is Anthropic's, an inference is KServe's: whoever asks for it
    cannot say how many tokens, so that the number is what the engine gives of its own.
    """
    tokens, *prompt = (int(number) for number in re.findall(r"\d+", text))
    counted = not text.endswith("without their count")
    return Ask(
        tokens=tokens,
        chat="chat" in text,
        stream=text.startswith("streams"),
        counted=counted,
        api=next((api for words, api in _APIS.items() if words in text), None),
        prompt=_prompt(*prompt) if prompt else PROMPT,
    )


def _prompt(tokens: int) -> str:
    """So many tokens, after which the counting engine goes on with 1001."""
    return " ".join(["7"] * (tokens - 1) + ["1000"])


_ENDPOINTS = {
    "chat": "chat_completions",
    "completion": "completions",
    "response": "responses",
    "message": "anthropic_messages",
    "inference": "grpc_completions",
}
_TYPES = {"streamed": "stream", "awaited": "unary"}


@parse.with_pattern(rf"an? (?:{'|'.join(_TYPES)}) (?:{'|'.join(_ENDPOINTS)})")
def parse_asked(text: str) -> dict[str, str]:
    """ "a streamed chat": the labels under which a frontend counts it."""
    _, how, what = text.split()
    return {"endpoint": _ENDPOINTS[what], "request_type": _TYPES[how]}


@parse.with_pattern("|".join(DEPARTURES))
def parse_departure(text: str) -> Departure:
    """ "hangs up", "breaks the connection off"."""
    return DEPARTURES[text]


@parse.with_pattern(r"(?:a|the) (?:late client|client|neighbour|newcomer)")
def parse_client(text: str) -> str:
    """ "a client", "the client" -> "client"."""
    return text.split(maxsplit=1)[1]


@parse.with_pattern(r"\w[\w-]*")
def parse_backend(text: str) -> Backend:
    """Any word: whoever asks for a deployment of another one is told which there are."""
    return text  # type: ignore[return-value]  # checked by the spec


@parse.with_pattern(r"[A-Z]+")
def parse_plane(text: str) -> Plane:
    """ "TCP", "NATS"; any other is refused as a backend is."""
    return text.lower()  # type: ignore[return-value]  # checked by the spec


@parse.with_pattern("|".join(map(re.escape, sorted(FLAWS, key=len, reverse=True))))
def parse_flaw(text: str) -> str:
    """ "names a model that nobody serves"."""
    return text


@parse.with_pattern("|".join(REFUSALS))
def parse_refusal(text: str) -> str:
    """ "malformed", "overloaded"."""
    return text


@parse.with_pattern("|".join(MODEL_FLAWS))
def parse_model_flaw(text: str) -> str:
    """ "no tokenizer", "a corrupt configuration"."""
    return text


@parse.with_pattern("|".join(UPGRADES))
def parse_upgrade(text: str) -> str:
    """ "an image that nobody has": what components are upgraded to, and the cluster cannot run."""
    return text


@parse.with_pattern(r".+")
def parse_wish(text: str) -> str:
    """ "that it stops before the word 1120", "for two answers": the name of a wish, to be looked up."""
    return text.removeprefix("for ")


@parse.with_pattern(r"no|\d+")
def parse_count(text: str) -> int:
    """ "no migration", "3 migrations"."""
    return 0 if text == "no" else int(text)


_BLOWS: dict[str, Callable[[Component], Fault]] = {
    "is killed": Kill,
    "is frozen": Pause,
    "is asked to end": Terminate,
    "is interrupted": Interrupt,
    "loses its engine": EngineFailure,
}


@parse.with_pattern("|".join(_BLOWS))
def parse_blow(text: str) -> Callable[[Component], Fault]:
    """ "is killed", "loses its engine": what is done to one component at a moment of a client's answer."""
    return _BLOWS[text]


_CUTS: Mapping[str, Mapping[str, str]] = {
    "cut off from everybody": {"off": "everybody", "action": "drop"},
    "cut off from the frontend": {"off": "frontend", "action": "drop"},
    "refused by the frontend": {"off": "frontend", "action": "reject"},
}


@parse.with_pattern("|".join(_CUTS))
def parse_cut(text: str) -> Mapping[str, str]:
    """ "cut off from everybody": packets vanish; "refused by the frontend": they are answered with a reset."""
    return _CUTS[text]


@parse.with_pattern(
    r"NATS|(?:the (?:GPU|node|pods?) of )?(?:the|an?|one|both|every|all|half of the|\d+) (?:busiest )?"
    r"(?:frontend|prefill|decode|worker|etcd)s?(?: workers?| members?| leader| followers?)?"
)
def parse_whom(text: str) -> str:
    """ "one worker", "every prefill worker", "the frontend", "an etcd follower", "NATS", "the GPU of one worker",
    "the pods of all workers"."""
    return "the nats server" if text == "NATS" else text


@parse.with_pattern(r"\d+\.\d+\.\d+")
def parse_version(text: str) -> str:
    """ "1.4.2"."""
    return text


_ROUTERS = {
    "in turn": "round-robin",
    "by load": "least-loaded",
    "by load of two": "power-of-two",
    "by memory": "kv",
}


@parse.with_pattern("|".join(sorted(_ROUTERS, key=len, reverse=True)))
def parse_router(text: str) -> str:
    """ "in turn", "by load": how requests are spread over workers."""
    return _ROUTERS[text]


TYPES = {
    "Ask": parse_ask,
    "Client": parse_client,
    "Backend": parse_backend,
    "Plane": parse_plane,
    "Count": parse_count,
    "Blow": parse_blow,
    "Cut": parse_cut,
    "Deed": parse_deed,
    "Version": parse_version,
    "Whom": parse_whom,
    "Asked": parse_asked,
    "Departure": parse_departure,
    "Flaw": parse_flaw,
    "Refusal": parse_refusal,
    "Router": parse_router,
    "ModelFlaw": parse_model_flaw,
    "Wish": parse_wish,
    "Upgrade": parse_upgrade,
}
"""Name in step texts to converter; every step module registers them."""
