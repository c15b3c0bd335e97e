"""`python -m injector.agents.main`: the agent of this node, for the service on 127.0.0.1 or wherever it is told."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from injector.agents import gpu
from injector.agents.agent import Agent
from injector.agents.app import app
from injector.agents.family import Family
from injector.agents.gpus import Gpus
from injector.agents.network import Partition
from injector.agents.node import NodeInventory
from injector.agents.process_faults import Kill, Pause
from injector.agents.stress import Slowed, Squeezed
from injector.agents.xid import XidError
from injector.inventory import LocalInventory, Node
from injector.journal import JournalFailure
from injector.places import AGENT_PORT, REGISTRY, STATE, agent_token, token_in
from injector.tls import of_agent


def families(node: Node) -> list[Family]:
    """All that a node can do."""
    gpus = Gpus(node)
    return [
        Partition(node),
        Kill(node),
        Pause(node),
        XidError(node, gpus=gpus),
        *gpu.families(node, gpus),
        Slowed(node),
        Squeezed(node),
    ]


def main(
    state: Annotated[Path, typer.Option(help="Folder of journal, token and registry.")] = STATE,
    registry: Annotated[Path | None, typer.Option(help="Registry of the local deployment.")] = None,
    kubernetes: Annotated[bool, typer.Option(help="Serve the node of Kubernetes that this is a pod on.")] = False,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = AGENT_PORT,
    token_file: Annotated[Path | None, typer.Option(help="File with the token that the service sends.")] = None,
    tls: Annotated[Path | None, typer.Option(help="Folder with tls.crt, tls.key and ca.crt: mutual TLS.")] = None,
) -> None:
    """The agent of this node: does faults for the service, and ends them in time."""
    node: Node = NodeInventory() if kubernetes else LocalInventory(registry or state / REGISTRY)
    try:
        token = token_in(token_file) if token_file else agent_token(state)
        secured = of_agent(tls) if tls else {}
        agent = Agent(state / "agent", families(node))
    except (JournalFailure, ValueError) as failure:
        sys.exit(f"agent: {failure}")
    agent.start()
    for report in agent.reports:
        print(f"agent: {report}", file=sys.stderr, flush=True)
    try:
        uvicorn.run(app(agent, token=token), host=host, port=port, log_level="warning", **secured)
    finally:
        agent.close()


if __name__ == "__main__":
    typer.run(main)
