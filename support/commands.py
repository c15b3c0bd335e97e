"""What each component of a deployment runs: command line, environment, ports, and how it says that it is up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from support.model import MODEL_NAME, OTHER_MODEL_NAME, ModelFolder
from support.place import Place
from support.spec import DeploymentSpec, Role, Serving

HTTP, SYSTEM = 8000, 9090
"""Ports of a frontend and of a worker's system server, as in Dynamo's Kubernetes operator."""
GRPC = 8787
"""Port of a frontend that serves KServe's protocol: Dynamo's own default."""
ETCD_CLIENT, ETCD_PEER = 2379, 2380
NATS_CLIENT, NATS_MONITOR = 4222, 8222

OTHER = "other"
"""In the name of a worker of another model, and Dynamo's name for all of those."""
PORTS: dict[Role, tuple[int, ...]] = {
    "frontend": (HTTP, GRPC),
    "worker": (SYSTEM,),
    "prefill": (SYSTEM,),
    "decode": (SYSTEM,),
    "etcd": (ETCD_CLIENT, ETCD_PEER),
    "nats": (NATS_CLIENT, NATS_MONITOR),
}
METRICS: dict[Role, tuple[int, str]] = {
    "frontend": (HTTP, "/metrics"),
    "worker": (SYSTEM, "/metrics"),
    "prefill": (SYSTEM, "/metrics"),
    "decode": (SYSTEM, "/metrics"),
    "etcd": (ETCD_CLIENT, "/metrics"),
    "nats": (NATS_MONITOR, "/varz"),
}
UP: dict[Role, tuple[int, str]] = {
    "frontend": (HTTP, "/live"),
    "worker": (SYSTEM, "/metrics"),
    "prefill": (SYSTEM, "/metrics"),
    "decode": (SYSTEM, "/metrics"),
    "etcd": (ETCD_CLIENT, "/health?exclude=NOSPACE"),
    "nats": (NATS_MONITOR, "/healthz"),
}
"""What answers 200 as soon as the component itself is up, and as long as it is: a full etcd answers whoever reads. A
worker's /live and /health say 503 for ever without canary checks (measured on 1.4.2); whether it serves is for the
frontend's instance list to tell."""

LOG = "info,dynamo_llm::http::service::service_v2=warn"
"""Without a line for every scrape and readiness question; each request still has its "received" and "completed"."""
_MOCKER_TOKENS_PER_SECOND = 100
"""Of one request at --speedup-ratio 1, about; it varies with engine type and load."""
_ENGINES = "support/engines"
_SERVED: dict[Serving, str] = {"engine-kit": "counting.py", "backend": "as_backends.py"}
_MODE = {"worker": "agg", "prefill": "prefill", "decode": "decode"}


@dataclass(frozen=True)
class Command:
    """How one component is started."""

    argv: list[str]
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Programs:
    """Where what commands run is, on the machine or in the image where they run."""

    etcd: Path
    nats_server: Path
    dynamo: Callable[[str], Path]
    """The interpreter that has a version of Dynamo. Unavailable when that is not installed."""
    root: Path
    """This project: the folder that holds support/."""


@dataclass(frozen=True)
class Surroundings:
    """What commands need to know of their deployment."""

    spec: DeploymentSpec
    places: dict[str, Place]
    """By component name; those that start first are there first."""
    model: ModelFolder
    data: Path
    """Folder for the data of etcd and NATS."""
    programs: Programs
    joins: bool = False
    """An etcd member joins a cluster that is there."""

    def etcds(self) -> list[str]:
        return [name for name in self.places if name.startswith("etcd-")]


def command(name: str, role: Role, surroundings: Surroundings) -> Command:
    """The command of the component `name`."""
    return _COMMANDS[role](name, role, surroundings)


def _etcd(name: str, role: Role, around: Surroundings) -> Command:
    place = around.places[name]
    client, peer = f"http://{place.at(ETCD_CLIENT)}", f"http://{place.at(ETCD_PEER)}"
    alone = len(around.etcds()) == 1
    members = ",".join(f"{other}=http://{around.places[other].at(ETCD_PEER)}" for other in around.etcds())
    options = {
        "name": name,
        "data-dir": str(around.data / name),
        "listen-client-urls": f"http://{place.bound(ETCD_CLIENT)}",
        "advertise-client-urls": client,
        "listen-peer-urls": f"http://{place.bound(ETCD_PEER)}",
        "initial-advertise-peer-urls": peer,
        "initial-cluster": members,
        "initial-cluster-state": "existing" if around.joins else "new",
        "logger": "zap",
    }
    if alone or around.spec.etcd_election_ms:
        # A single member only waits for its own election: 0.1 s of it instead of 1 s.
        election = around.spec.etcd_election_ms or 100
        options |= {"heartbeat-interval": str(election // 10), "election-timeout": str(election)}
    if around.spec.etcd_quota_mb:
        options |= {"quota-backend-bytes": str(around.spec.etcd_quota_mb << 20)}
    return Command([str(around.programs.etcd), *(f"--{option}={value}" for option, value in options.items())])


def _nats(name: str, role: Role, around: Surroundings) -> Command:
    place = around.places[name]
    ports = [
        "-a",
        place.listens or place.address,
        "-p",
        str(place.port(NATS_CLIENT)),
        "-m",
        str(place.port(NATS_MONITOR)),
    ]
    store = ["--jetstream", "--store_dir", str(around.data / name)]
    return Command([str(around.programs.nats_server), *ports, *store])


def _frontend(name: str, role: Role, around: Surroundings) -> Command:
    spec, place = around.spec, around.places[name]
    # One that serves KServe listens for it on the port called "http", and for metrics on one of its own.
    grpc = ["--kserve-grpc-server", "--grpc-metrics-port", str(place.port(HTTP))] if spec.kserve else []
    options = [
        *("--http-host", place.address if place.shared else "0.0.0.0"),
        *("--http-port", str(place.port(GRPC if spec.kserve else HTTP)), *grpc),
        *("--request-plane", spec.request_plane),
        *("--router-mode", spec.router_mode),
        *("--migration-limit", str(spec.migration_limit)),
    ]
    if spec.migration_max_seq_len is not None:
        options += ["--migration-max-seq-len", str(spec.migration_max_seq_len)]
    if spec.anthropic_messages:
        options += ["--enable-anthropic-api"]
    if spec.prefill:
        options += ["--enforce-disagg"]  # 1.4.2 ignores it: readiness follows from the roles that are registered
    python = str(around.programs.dynamo(spec.dynamo))
    return Command([python, "-m", "dynamo.frontend", *options], _dynamo(name, around))


def _worker(name: str, role: Role, around: Surroundings) -> Command:
    spec = around.spec
    environment = _dynamo(name, around) | {"DYN_SYSTEM_PORT": str(around.places[name].port(SYSTEM))}
    python = str(around.programs.dynamo(spec.dynamo))
    other = name.startswith(f"{spec.backend}-{OTHER}")
    common = [
        *("--model-path", str(around.model.snapshot), "--model-name", OTHER_MODEL_NAME if other else MODEL_NAME),
        *("--request-plane", spec.request_plane, "--disaggregation-mode", _MODE[role]),
    ]
    if spec.engine == "counting":
        engine = [
            *(("--component", OTHER) if other else ()),
            *("--backend", spec.backend, "--tokens-per-second", str(spec.tokens_per_second)),
            *("--slots", str(spec.slots), "--blocks", str(spec.blocks)),
            *("--seconds-to-stop", str(spec.seconds_to_stop)),
            *("--seconds-to-begin", str(spec.seconds_to_hand_over if role == "decode" else spec.seconds_to_prefill)),
        ]
        root = around.programs.root
        program = root / _ENGINES / _SERVED[spec.serving]
        return Command([python, str(program), *common, *engine], environment | {"PYTHONPATH": str(root)})
    engine = [
        *("--engine-type", spec.backend, "--speedup-ratio", f"{spec.tokens_per_second / _MOCKER_TOKENS_PER_SECOND:g}"),
        *("--max-num-seqs", str(spec.slots), "--num-gpu-blocks-override", str(spec.blocks)),
    ]
    return Command([python, "-m", "dynamo.mocker", *common, *engine], environment)


def _dynamo(name: str, around: Surroundings) -> dict[str, str]:
    """Environment of frontends and workers."""
    spec, place = around.spec, around.places[name]
    nats = around.places["nats-0"]
    # The second one takes the name of an interface (1.4.2: "Interface not found: 127.0.0.1").
    shared = {"DYN_TCP_RPC_HOST": place.address, "DYN_TCP_RESPONSE_STREAM_HOST": "lo"}
    return {
        "ETCD_ENDPOINTS": ",".join(f"http://{around.places[etcd].at(ETCD_CLIENT)}" for etcd in around.etcds()),
        "NATS_SERVER": f"nats://{nats.at(NATS_CLIENT)}",
        "HF_HOME": str(around.model.cache),
        "HF_HUB_OFFLINE": "1",
        "DYN_HEALTH_CHECK_ENABLED": str(spec.canary_health_checks).lower(),
        "DYN_SDK_DISABLE_ANSI_LOGGING": "1",
        "DYN_LOG": LOG,
        **(shared if place.shared else {}),
        **{name: str(value) for name, value in _limits(spec).items() if value is not None},
        **dict(spec.environment),
    }


def _limits(spec: DeploymentSpec) -> dict[str, float | None]:
    """What makes a deployment turn requests away, and how long it takes to end (names as read in 1.4.2 and 1.4.1)."""
    return {
        "DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS": spec.grace_period,
        "DYN_RUNTIME_GRACEFUL_SHUTDOWN_TIMEOUT_SECS": spec.drain_timeout,
        "DYN_HTTP_GRACEFUL_SHUTDOWN_TIMEOUT_SECS": spec.frontend_drain_timeout,
        "DYN_ACTIVE_DECODE_BLOCKS_THRESHOLD": spec.busy_decode_blocks,
        "DYN_ACTIVE_PREFILL_TOKENS_THRESHOLD": spec.busy_prefill_tokens,
        "DYN_ENGINE_REQUEST_LIMIT": spec.engine_request_limit,
        "DYN_DYNAMO_REQUEST_QUEUE_LIMIT": spec.request_queue_limit,
        "DYN_ROUTER_QUEUE_THRESHOLD": spec.router_queue_threshold,
        "DYN_HTTP_OVERLOAD_STATUS_CODE": spec.overload_status,
    }


_COMMANDS = {
    "etcd": _etcd,
    "nats": _nats,
    "frontend": _frontend,
    "worker": _worker,
    "prefill": _worker,
    "decode": _worker,
}
