"""`python -m injector.agents.main`: the agent of this node, for the service on 127.0.0.1 or wherever it is told."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from injector.agents.agent import Agent
from injector.agents.app import app
from injector.agents.family import Family
from injector.agents.network import Partition
from injector.agents.process_faults import Kill, Pause
from injector.agents.stress import Slowed, Squeezed
from injector.agents.xid import XidError
from injector.inventory import Inventory, LocalInventory
from injector.journal import JournalFailure
from injector.places import AGENT_PORT, REGISTRY, STATE, agent_token


def families(inventory: Inventory) -> list[Family]:
    """All that a node can do."""
    return [
        Partition(inventory),
        Kill(inventory),
        Pause(inventory),
        XidError(inventory),
        Slowed(inventory),
        Squeezed(inventory),
    ]


def main(
    state: Annotated[Path, typer.Option(help="Folder of journal, token and registry.")] = STATE,
    registry: Annotated[Path | None, typer.Option(help="Registry of the local deployment.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = AGENT_PORT,
) -> None:
    """The agent of this node: does faults for the service, and ends them in time."""
    try:
        agent = Agent(state / "agent", families(LocalInventory(registry or state / REGISTRY)))
    except JournalFailure as failure:
        sys.exit(f"agent: {failure}")
    agent.start()
    for report in agent.reports:
        print(f"agent: {report}", file=sys.stderr, flush=True)
    try:
        uvicorn.run(app(agent, token=agent_token(state)), host=host, port=port, log_level="warning")
    finally:
        agent.close()


if __name__ == "__main__":
    typer.run(main)
