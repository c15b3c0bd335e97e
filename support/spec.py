"""What a scenario asks for: a `DeploymentSpec`, the same on every target."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeVar, get_args

from support.errors import UsageError

T = TypeVar("T", bound=str)
Backend = Literal["vllm", "sglang", "trtllm"]
Engine = Literal["mocker", "counting", "real"]
Plane = Literal["tcp", "nats"]
Role = Literal["frontend", "worker", "prefill", "decode", "etcd", "nats"]
RestartPolicy = Literal["never", "always"]
Serving = Literal["engine-kit", "backend"]

MODEL_FLAWS = ("no model folder", "no tokenizer", "a corrupt tokenizer", "a corrupt configuration", "a read-only cache")
"""What can be wrong with the model of one worker."""
BACKENDS: tuple[str, ...] = get_args(Backend)
ENGINES: tuple[str, ...] = get_args(Engine)
PLANES: tuple[str, ...] = get_args(Plane)
ROUTER_MODES = ("round-robin", "random", "power-of-two", "kv", "direct", "least-loaded", "device-aware-weighted")
_LEAST = {
    0: (
        "workers",
        "prefill",
        "decode",
        "other_model_workers",
        "migration_limit",
        "migration_max_seq_len",
        "seconds_to_stop",
        "seconds_to_prefill",
        "seconds_to_hand_over",
        "grace_period",
    ),
    1: (
        "frontends",
        "tokens_per_second",
        "slots",
        "blocks",
        "engine_request_limit",
        "request_queue_limit",
        "overload_status",
        "busy_prefill_tokens",
        "drain_timeout",
        "frontend_drain_timeout",
    ),
}
"""What each number of a spec is at least; None is allowed where a field may be None."""
GENERATING: tuple[Role, ...] = ("worker", "prefill", "decode")


def choose(kind: str, value: str, known: tuple[T, ...]) -> T:
    """`value` if it is one of `known`; a UsageError that lists them otherwise."""
    if value not in known:
        raise UsageError(f"unknown {kind} {value!r}: choose one of {', '.join(known)}")
    return known[known.index(value)]


def near_miss(name: str, known: Iterable[str]) -> str:
    """A question to put before the list of what there is, when one of them was probably meant; else nothing."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}? " if near else ""


@dataclass(frozen=True, kw_only=True)
class DeploymentSpec:
    """A whole Dynamo deployment: what runs, how many, and how it is configured.

    Aggregated deployments have `workers`; prefill/decode ones have `prefill` and `decode` and no workers.
    Two equal specs are interchangeable: the pool of a target hands out a used deployment for an equal spec.
    """

    backend: Backend = "vllm"
    engine: Engine = "counting"
    workers: int = 2
    prefill: int = 0
    decode: int = 0
    other_model_workers: int = 0
    """Workers of another model beside them; only the counting engine has one."""
    frontends: int = 1
    behind_one_address: bool = False
    """Clients reach all frontends at one address, and not each at its own; only a cluster does that."""
    etcd_members: int = 1
    etcd_quota_mb: int | None = None
    """What each etcd member may store, in MB; None: its default, 2 GB."""
    etcd_election_ms: int | None = None
    """How long an etcd member waits for its leader before it stands for election, which speaks ten times meanwhile;
    None: its default, 1000, of a single member 100."""
    request_plane: Plane = "tcp"
    migration_limit: int = 0
    migration_max_seq_len: int | None = None
    router_mode: str = "round-robin"
    canary_health_checks: bool = False
    tokens_per_second: int = 100
    """What one request gets from the engine; the counting engine keeps it exactly, the mocker about."""
    slots: int = 16
    """Requests that one worker runs at once; one more waits in its queue."""
    blocks: int = 4096
    """KV blocks of one worker, 16 tokens each."""
    seconds_to_stop: float = 0.0
    """How long a cancelled request still holds its slot in the counting engine; real engines finish their step."""
    seconds_to_prefill: float = 0.0
    """How long the counting engine reads a prompt: on workers and prefill workers, before the first token."""
    seconds_to_hand_over: float = 0.0
    """How long a decode worker of the counting engine takes over what a prefill worker made."""
    busy_decode_blocks: float | None = None
    """Share of a worker's KV blocks above which it is busy; when all are, newcomers are turned away. None: never."""
    busy_prefill_tokens: int | None = None
    """Prompt tokens not yet read at which a worker is busy as well. None: never."""
    engine_request_limit: int | None = None
    """Requests that a worker takes at once, by its own cap; None: no cap."""
    request_queue_limit: int | None = None
    """Requests that wait at a worker beyond its cap; None: Dynamo's default, 16."""
    router_queue_threshold: float | None = None
    """Share of its prefill capacity that each worker must have to do before requests wait in the router (by memory
    only), where those of higher priority go first. None: they never do."""
    overload_status: int | None = None
    """HTTP status of those turned away; None: Dynamo's default, 529 in 1.4.2."""
    serving: Serving = "engine-kit"
    """How the counting engine is served: by Dynamo's kit for engines of one's own, or as its own backends serve theirs.
    In 1.4.2 they differ in how a worker ends."""
    grace_period: int | None = None
    """Seconds that a worker which is to end serves on after it has left discovery; None: Dynamo's default, 5."""
    drain_timeout: int | None = None
    """Seconds that it then waits at most for what is in flight; None: Dynamo's default, 900."""
    frontend_drain_timeout: int | None = None
    """Seconds that a frontend which is to end waits at most for what it has let in; None: Dynamo's default, 5."""
    anthropic_messages: bool = False
    """Frontends serve Anthropic's messages as well."""
    kserve: bool = False
    """Frontends serve KServe's gRPC inference protocol, and over HTTP only what operators ask. In 1.4.2 they do not
    tell which workers they have, so that such a deployment has one."""
    dynamo: str = "1.4.2"
    restart: RestartPolicy = "never"
    environment: tuple[tuple[str, str], ...] = ()
    """Further environment variables (name, value) of frontends and workers."""

    def __post_init__(self) -> None:
        choose("backend", self.backend, BACKENDS)
        choose("engine", self.engine, ENGINES)
        choose("request plane", self.request_plane, PLANES)
        choose("router mode", self.router_mode, ROUTER_MODES)
        choose("restart policy", self.restart, get_args(RestartPolicy))
        choose("way of serving", self.serving, get_args(Serving))
        if self.workers and (self.prefill or self.decode):
            raise UsageError("a deployment has either workers or prefill and decode workers, not both")
        if bool(self.prefill) != bool(self.decode):
            raise UsageError("a prefill/decode deployment needs at least one worker of each role")
        if self.other_model_workers and self.engine != "counting":
            raise UsageError(f"only the counting engine serves another model, not {self.engine}")
        if self.kserve and (self.workers != 1 or self.anthropic_messages):
            raise UsageError("a deployment that serves KServe's protocol has 1 worker, and no messages of Anthropic's")
        self._insist_on_numbers()

    def _insist_on_numbers(self) -> None:
        for least, names in _LEAST.items():
            for name in names:
                value = getattr(self, name)
                if value is not None and value < least:
                    raise UsageError(f"{name} is {value}: it must be {least} or more")
        if self.busy_decode_blocks is not None and not 0 < self.busy_decode_blocks <= 1:
            raise UsageError(f"busy_decode_blocks is {self.busy_decode_blocks}: it is a share, above 0 and up to 1")
        if self.router_queue_threshold is not None and self.router_queue_threshold < 0:
            raise UsageError(f"router_queue_threshold is {self.router_queue_threshold}: it must be 0 or more")
        if self.etcd_members not in (1, 3, 5):
            raise UsageError(f"etcd_members is {self.etcd_members}: a cluster has 1, 3 or 5 members")

    @property
    def generating(self) -> dict[Role, int]:
        """Count of workers by role, only roles that are there."""
        counts: dict[Role, int] = {"worker": self.workers, "prefill": self.prefill, "decode": self.decode}
        return {role: count for role, count in counts.items() if count}

    def but(self, **changes: object) -> DeploymentSpec:
        """This spec with some fields changed."""
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]  # checked by __post_init__

    def __str__(self) -> str:
        roles = " + ".join(f"{count} {role}" for role, count in self.generating.items()) or "no worker"
        return f"{self.backend} ({self.engine} engine, {self.request_plane} plane): {roles}"
