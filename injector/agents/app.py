"""The agent over HTTP, for the service alone: every call needs the token that both share."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, FastAPI, Query, Request
from pydantic import BaseModel

from injector.agents.agent import Agent
from injector.fault import Fault, Order
from injector.web import answer_refusals, require


class About(BaseModel):
    """An agent, and what it found when it started."""

    reports: list[str]


def app(agent: Agent, *, token: str) -> FastAPI:
    """Its calls, each answered with faults as the agent remembers them."""

    def authorised(request: Request) -> None:
        require(token, request)

    made = FastAPI(title="Fault injection agent", openapi_url=None, dependencies=[Depends(authorised)])
    answer_refusals(made)

    @made.post("/v1/faults")
    def inject(order: Order) -> Fault:
        return agent.inject(order)

    @made.post("/v1/explain")
    def explain(order: Order) -> Fault:
        return agent.explain(order)

    @made.post("/v1/faults/{identity}/recover")
    def recover(identity: str) -> Fault:
        return agent.recover(identity)

    @made.post("/v1/recover")
    def recover_all() -> list[Fault]:
        return agent.recover_all()

    @made.get("/v1/faults")
    def faults(id: Annotated[list[str] | None, Query()] = None) -> list[Fault]:  # noqa: A002  # the contract's word
        return [fault for fault in agent.faults() if id is None or fault.id in id]

    @made.get("/v1/about")
    def about() -> About:
        return About(reports=agent.reports)

    return made
