"""What the service and its agents have in common as HTTP servers: refusals, tokens, and the bounds of what is read."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from injector.errors import Refusal, Unauthorised, Undone

LARGEST_BODY = 64 * 1024
"""Bytes of a request."""
_log = logging.getLogger("injector")


class Problem(BaseModel):
    """Why a request was refused, in one sentence, and which of its fields is wrong."""

    detail: str
    field: str | None = None


def answer_refusals(app: FastAPI) -> None:
    """Every refusal as a `Problem` with its status; what nobody thought of is logged, and is a 502."""

    @app.exception_handler(Refusal)
    def refused(request: Request, refusal: Refusal) -> JSONResponse:
        return _problem(refusal.status, refusal.detail, refusal.field)

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, failure: RequestValidationError) -> JSONResponse:
        first: dict[str, Any] = dict(failure.errors()[0])
        field = ".".join(str(part) for part in first["loc"] if part not in ("body", "path", "query"))
        return _problem(422, f"{field or 'the body'}: {first['msg']}", field or None)

    @app.exception_handler(HTTPException)
    def spoken(request: Request, failure: HTTPException) -> JSONResponse:
        status = (
            422 if failure.status_code == 400 else failure.status_code
        )  # a body that is no text is none that can be
        return _problem(status, str(failure.detail), headers=failure.headers)

    @app.middleware("http")
    async def bounded(request: Request, go_on: Callable[[Request], Awaitable[Any]]) -> Any:
        told = request.headers.get("content-length", "0")
        if "transfer-encoding" in request.headers or not told.isdigit() or int(told) > LARGEST_BODY:
            return _problem(422, f"the body must have a stated length of at most {LARGEST_BODY} bytes")
        try:
            return await go_on(request)
        except Exception as failure:  # noqa: BLE001  # the last resort: logged with its trace, and never a 500
            _log.exception("unexpected")
            return _problem(Undone.status, f"the service failed, which it should not: {failure!r}")


def require(token: str | None, request: Request) -> None:
    """Unauthorised unless it carries this bearer token; none is asked for when there is none."""
    if token is None:
        return
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.encode(), token.encode()):
        raise Unauthorised("no or a wrong token: send 'Authorization: Bearer TOKEN'")


def _problem(status: int, detail: str, field: str | None = None, headers: Any = None) -> JSONResponse:
    told = dict(headers or {}) | ({"WWW-Authenticate": "Bearer"} if status == Unauthorised.status else {})
    return JSONResponse(Problem(detail=detail, field=field).model_dump(), status, headers=told)
