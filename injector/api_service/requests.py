"""What can be asked for, as JSON. Unknown fields are refused; words are accepted in any case."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict, model_validator

from injector.fault import LONGEST, Id
from injector.words import XIDS, Action, Direction, Effect, GpuFault, PartitionType, ProcessFault, Severity

Whole = Annotated[int, Strict()]
Pod = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
        max_length=253,
        description="Name of a pod, or of a component of a local deployment.",
        examples=["vllm-worker-0"],
    ),
]


OneOrMore = Pod | list[Pod]
Pods = Annotated[
    tuple[Pod, ...],
    Field(min_length=1, max_length=100, examples=["vllm-worker-0", ["etcd-0", "etcd-1"]]),
    BeforeValidator(lambda given: (given,) if isinstance(given, str) else given, json_schema_input_type=OneOrMore),
]
"""One, or a list."""


class Injection(BaseModel):
    """What every one of them may say."""

    model_config = ConfigDict(extra="forbid")

    id: Annotated[Id | None, Field(description="Of the fault; the same one twice is one. Made up if left out.")] = None
    duration_seconds: Annotated[
        Annotated[float, Strict()] | None,
        Field(gt=0, le=LONGEST, description="After which it ends by itself; 300 if left out."),
    ] = None
    namespace: Annotated[
        str | None,
        Field(
            pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
            max_length=63,
            description="On Kubernetes: of the pods. Needed where more than one that has opted in has such pods.",
        ),
    ] = None
    allow_last_worker: Annotated[
        Annotated[bool, Strict()], Field(description="It may take the last healthy worker of a deployment out.")
    ] = False


class GpuParameters(BaseModel):
    """Of XID errors; what a line of the kernel's log says."""

    model_config = ConfigDict(extra="forbid")

    xid: Annotated[Whole | None, Field(json_schema_extra={"enum": [*XIDS, None]}, description="The code.")] = None
    effect: Annotated[
        Effect, Field(description="LINE: only the line. APPLICATION: the worker also suffers what the code stands for.")
    ] = Effect.LINE
    message: Annotated[str | None, Field(min_length=1, max_length=450, description="What the line says.")] = None
    process_name: Annotated[str | None, Field(min_length=1, max_length=64, description="In the line.")] = None


class XidRequest(Injection):
    """An XID error on a GPU of a pod."""

    target_pod: Pod
    severity: Severity = Severity.MEDIUM
    gpu_index: Annotated[Whole, Field(ge=0, le=15)] = 0
    parameters: GpuParameters = GpuParameters()


class GpuRequest(XidRequest):
    """A fault of a GPU of a pod."""

    fault_type: GpuFault

    @model_validator(mode="after")
    def _parameters_fit(self) -> GpuRequest:
        if self.fault_type is GpuFault.XID_ERROR:
            if self.parameters.xid is None:
                raise ValueError(f"an XID_ERROR needs parameters.xid: one of {', '.join(map(str, XIDS))}")
        elif self.parameters != GpuParameters():
            raise ValueError(f"{self.fault_type} takes no parameters: only XID_ERROR does")
        return self


class NetworkRequest(Injection):
    """A partition. Without source and target: every frontend or NATS server, and the first healthy worker."""

    partition_type: PartitionType
    source: Pods | None = None
    target: Pods | None = None
    direction: Annotated[Direction, Field(description="Of the packets that are stopped, as the source sees them.")] = (
        Direction.BOTH
    )
    action: Annotated[
        Action, Field(description="DROP: silence. REJECT: a reset at once; with OUT, of new connections alone.")
    ] = Action.DROP
    loss_percent: Annotated[Whole, Field(ge=1, le=100)] = 100
    latency_ms: Annotated[Whole | None, Field(ge=1, le=60_000)] = None
    bandwidth_mbit: Annotated[Annotated[float, Strict()] | None, Field(gt=0, le=1000)] = None
    ports: Annotated[
        tuple[Annotated[Whole, Field(ge=1, le=65535)], ...] | None,
        Field(min_length=1, max_length=100, description="CUSTOM: only TCP from and to these ports of the targets."),
    ] = None

    @model_validator(mode="after")
    def _ports_are_of_somebody(self) -> NetworkRequest:
        if self.ports and self.partition_type is not PartitionType.CUSTOM:
            raise ValueError(f"a {self.partition_type} partition is of all ports: ports are for CUSTOM")
        return self


class ProcessRequest(Injection):
    """KILL or PAUSE of every process of a pod; RESUME ends what pauses it."""

    target_pod: Pod
    fault_type: ProcessFault


Xid = Literal["43", "48", "74", "79", "94", "95", "119", "120"]
