"""The service over HTTP: the calls of the contract."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Path, Query, Request, Response
from pydantic import BaseModel

from injector.api_service import injections
from injector.api_service.audit import Audit
from injector.api_service.documented import refusals
from injector.api_service.injections import TheService
from injector.api_service.metrics import Metrics
from injector.api_service.records import FaultView
from injector.api_service.service import Service
from injector.fault import Id
from injector.life import State
from injector.web import answer_refusals, require
from injector.words import Kind

_FaultId = Annotated[Id, Path(examples=["5f0c9c3e1b7a4d0e"])]
_faults = APIRouter(prefix="/api/v1/faults", responses=refusals(401, 502), tags=["Faults"])
_itself = APIRouter(tags=["Service"])


class Status(BaseModel):
    status: str = "ok"


def app(service: Service, *, token: str | None, audit: Audit) -> FastAPI:
    """token: None asks nobody for one; whoever listens beyond loopback has one."""
    made = FastAPI(
        title="Fault injection service",
        version="1",
        description="Faults of GPUs, networks and processes: proven, bounded in time, and taken back.",
        docs_url=None,  # the page that comes with the library loads its programs from elsewhere
        redoc_url=None,
    )
    made.state.service, made.state.metrics, made.state.audit = service, Metrics(), audit

    def authorised(request: Request) -> None:
        require(token, request)

    answer_refusals(made)
    made.middleware("http")(_audited)
    for router in (_faults, injections.router):
        made.include_router(router, dependencies=[Depends(authorised)])
    made.include_router(_itself)
    return made


async def _audited(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
    answer = await go_on(request)
    if request.method not in ("GET", "HEAD"):
        request.app.state.audit.note(
            at=request.app.state.service.now(),
            client=request.client.host if request.client else None,
            call=f"{request.method} {request.url.path}",
            status=answer.status_code,
            fault=getattr(request.state, "fault", None),
            asked=getattr(request.state, "asked", None),
        )
    return answer


@_faults.post("/{id}/recover", responses=refusals(404, 422))
def recover(request: Request, id: _FaultId, service: TheService) -> FaultView:  # noqa: A002  # the contract's word
    """Taken back, and seen gone; one that is over already is answered as it is."""
    request.state.fault = id
    return service.recover(id)


@_faults.post("/recover")
def recover_all(service: TheService) -> list[FaultView]:
    """Everything is taken back, on every node."""
    return service.recover_all()


@_faults.get("", responses=refusals(422))
def faults(
    service: TheService, state: Annotated[State | None, Query()] = None, kind: Annotated[Kind | None, Query()] = None
) -> list[FaultView]:
    """Those that are not over, or those in that state."""
    return service.faults(state=state, kind=kind)


@_faults.get("/{id}", responses=refusals(404, 422))
def fault(id: _FaultId, service: TheService) -> FaultView:  # noqa: A002  # the contract's word
    """One fault, also when it is over."""
    return service.fault(id)


@_itself.get("/health")
def health() -> Status:
    """The service runs."""
    return Status()


@_itself.get("/ready", responses=refusals(502))
def ready(service: TheService) -> Status:
    """Every agent answers."""
    service.insist_on_agents()
    return Status()


@_itself.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def metrics(request: Request, service: TheService) -> Response:
    """For Prometheus."""
    told: Metrics = request.app.state.metrics
    return Response(told.text(service.records()), media_type="text/plain; version=0.0.4")
