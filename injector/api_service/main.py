"""`python -m injector.api_service.main`: the service, on 127.0.0.1:8080 unless it is told otherwise."""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from ssl import SSLContext
from typing import Annotated

import typer
import uvicorn

from injector.api_service.agents import AgentClient
from injector.api_service.app import app
from injector.api_service.audit import Audit
from injector.api_service.cluster import Cluster
from injector.api_service.cluster_inventory import ClusterAgents, ClusterInventory
from injector.api_service.rules import Rules
from injector.api_service.service import Service
from injector.errors import Refusal
from injector.inventory import Inventory, LocalInventory
from injector.journal import JournalFailure
from injector.places import AGENT_PORT, REGISTRY, SERVICE_PORT, STATE, agent_token, token_in
from injector.tls import client_context


def main(
    state: Annotated[Path, typer.Option(help="Folder of journal, audit log, tokens and registry.")] = STATE,
    registry: Annotated[Path | None, typer.Option(help="Registry of the local deployment.")] = None,
    kubernetes: Annotated[bool, typer.Option(help="Serve the cluster that this is a pod of.")] = False,
    host: Annotated[str, typer.Option(help="Address to listen on; beyond loopback a token is needed.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = SERVICE_PORT,
    agent: Annotated[str, typer.Option(help="The agent of this node.")] = f"http://127.0.0.1:{AGENT_PORT}",
    token_file: Annotated[Path | None, typer.Option(help="File with the token that callers must send.")] = None,
    agent_token_file: Annotated[Path | None, typer.Option(help="File with the token that agents ask for.")] = None,
    agent_tls: Annotated[
        Path | None, typer.Option(help="Folder with tls.crt, tls.key and ca.crt: mutual TLS with agents.")
    ] = None,
    most_at_once: Annotated[int, typer.Option(help="Faults that may be there at once.")] = Rules.most_at_once,
    longest_seconds: Annotated[float, typer.Option(help="Longest fault, in seconds.")] = Rules.longest_seconds,
) -> None:
    """The fault injection service."""
    try:
        token = token_in(token_file) if token_file else None
        shared = token_in(agent_token_file) if agent_token_file else agent_token(state)
        tls = client_context(agent_tls) if agent_tls else None
    except ValueError as failure:
        sys.exit(f"service: {failure}")
    if token is None and not _loopback(host):
        sys.exit(f"service: whoever reaches {host} could inject faults: give a --token-file, or listen on 127.0.0.1")
    with ExitStack() as closing:
        agents: Mapping[str, AgentClient]
        inventory: Inventory
        if kubernetes:
            agents, inventory = _of_cluster(shared, tls, closing)
        else:
            client = AgentClient("local", agent, shared, tls)
            closing.callback(client.close)
            agents, inventory = {"local": client}, LocalInventory(registry or state / REGISTRY)
        try:
            service = Service(state / "service", agents, inventory, rules=Rules(most_at_once, longest_seconds))
        except JournalFailure as failure:
            sys.exit(f"service: {failure}")
        closing.callback(service.close)
        audit = Audit(state / "service" / "audit.jsonl")
        closing.callback(audit.close)
        uvicorn.run(app(service, token=token, audit=audit), host=host, port=port, log_level="warning")


def _of_cluster(token: str, tls: SSLContext | None, closing: ExitStack) -> tuple[ClusterAgents, ClusterInventory]:
    try:
        cluster = Cluster()
    except Refusal as refusal:
        sys.exit(f"service: {refusal}")
    agents = ClusterAgents(cluster, token, tls)
    closing.callback(cluster.close)
    closing.callback(agents.close)
    return agents, ClusterInventory(cluster)


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


if __name__ == "__main__":
    typer.run(main)
