"""The calls that do harm."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from injector.api_service import documented
from injector.api_service.drafts import Draft, of_gpu, of_network, of_process, of_xid
from injector.api_service.metrics import Metrics
from injector.api_service.records import FaultView
from injector.api_service.requests import GpuRequest, Injection, NetworkRequest, ProcessRequest, Xid, XidRequest
from injector.api_service.service import Service
from injector.fault import Fault
from injector.words import ProcessFault


class Plan(BaseModel):
    """What an injection would do at one node."""

    targets: list[str]
    duration_seconds: float
    does: dict[str, Any]
    """As the agent would remember it to undo it."""
    simulated: bool
    irreversible: str | None

    @classmethod
    def of(cls, fault: Fault) -> Plan:
        return cls(
            targets=list(fault.order.pods),
            duration_seconds=fault.order.seconds,
            does=fault.undo,
            simulated=fault.simulated,
            irreversible=fault.irreversible,
        )


def the_service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


TheService = Annotated[Service, Depends(the_service)]
DryRun = Annotated[bool, Query(description="Nothing is done: what would be, to whom, for how long, comes with 200.")]
_PLANNED: dict[int | str, dict[str, Any]] = {
    200: {"model": list[Plan], "description": "A dry run: what would be done, at each node."}
}
router = APIRouter(prefix="/api/v1/faults", responses=_PLANNED | documented.refusals(401, 403, 404, 409, 422, 501, 502))


@router.post("/gpu/inject", status_code=201, response_model=FaultView, tags=["GPU"])
def gpu(
    request: Request, asked: Annotated[GpuRequest, documented.GPU], service: TheService, dry_run: DryRun = False
) -> Any:
    """A GPU is throttled, overheats, lacks memory, has to compute for others, or reports an XID."""
    return _answer(request, asked, of_gpu(asked, service.inventory), dry_run)


@router.post("/gpu/inject/xid-{xid}", status_code=201, response_model=FaultView, tags=["GPU"])
def gpu_xid(
    request: Request,
    xid: Annotated[Xid, Path(examples=["79"])],
    asked: Annotated[XidRequest, documented.XID],
    service: TheService,
    dry_run: DryRun = False,
) -> Any:
    """A GPU reports this XID in the kernel's log."""
    return _answer(request, asked, of_xid(asked, int(xid), service.inventory), dry_run)


@router.post("/network/inject", status_code=201, response_model=FaultView, tags=["Network"])
def network(
    request: Request, asked: Annotated[NetworkRequest, documented.NETWORK], service: TheService, dry_run: DryRun = False
) -> Any:
    """Pods exchange packets no more, or not all."""
    return _answer(request, asked, of_network(asked, service.inventory), dry_run)


@router.post("/process/inject", status_code=201, response_model=FaultView, tags=["Process"])
def process(
    request: Request, asked: Annotated[ProcessRequest, documented.PROCESS], service: TheService, dry_run: DryRun = False
) -> Any:
    """The processes of a pod are killed or paused; RESUME recovers what pauses them, and answers with that."""
    draft = of_process(asked, service.inventory)
    if asked.fault_type is ProcessFault.RESUME and not dry_run:
        request.state.asked = draft.asked
        return service.resume(draft.pods[0])
    return _answer(request, asked, draft, dry_run)


def _answer(request: Request, asked: Injection, draft: Draft, dry_run: bool) -> Any:
    service, metrics = the_service(request), request.app.state.metrics
    assert isinstance(metrics, Metrics)
    request.state.asked = draft.asked | {"dry_run": dry_run}
    how: dict[str, Any] = {"seconds": asked.duration_seconds, "last_worker": asked.allow_last_worker}
    if dry_run:
        return JSONResponse([Plan.of(fault).model_dump(mode="json") for fault in service.explain(draft, **how)])
    with metrics.injection(draft.kind):
        done = service.inject(draft, identity=asked.id, **how)
    request.state.fault = done.id
    return done
