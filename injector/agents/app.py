"""The agent over HTTP, for the service alone: every call needs the token that both share."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, FastAPI, Request
from pydantic import BaseModel

from injector.agents.agent import Agent
from injector.fault import Fault, Order
from injector.web import answer_refusals, require


class About(BaseModel):
    """An agent, and what it found when it started."""

    reports: list[str]


def app(agent: Agent, *, token: str) -> FastAPI:
    """Its calls, each answered with faults as the agent remembers them."""
    made = FastAPI(title="Fault injection agent", openapi_url=None)
    answer_refusals(made)

    def authorised(request: Request) -> None:
        require(token, request)

    calls = Annotated[None, Depends(authorised)]

    @made.post("/v1/faults")
    def inject(order: Order, _: calls) -> Fault:
        return agent.inject(order)

    @made.post("/v1/explain")
    def explain(order: Order, _: calls) -> Fault:
        return agent.explain(order)

    @made.post("/v1/faults/{identity}/recover")
    def recover(identity: str, _: calls) -> Fault:
        return agent.recover(identity)

    @made.post("/v1/recover")
    def recover_all(_: calls) -> list[Fault]:
        return agent.recover_all()

    @made.get("/v1/faults")
    def faults(_: calls) -> list[Fault]:
        return agent.faults()

    @made.get("/v1/about")
    def about(_: calls) -> About:
        return About(reports=agent.reports)

    return made
