"""`python -m injector.api_service.main`: the service, on 127.0.0.1:8080 unless it is told otherwise."""

from __future__ import annotations

import ipaddress
import sys
from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from injector.api_service.agents import AgentClient
from injector.api_service.app import app
from injector.api_service.audit import Audit
from injector.api_service.rules import Rules
from injector.api_service.service import Service
from injector.inventory import LocalInventory
from injector.journal import JournalFailure
from injector.places import AGENT_PORT, REGISTRY, SERVICE_PORT, STATE, agent_token


def main(
    state: Annotated[Path, typer.Option(help="Folder of journal, audit log, tokens and registry.")] = STATE,
    registry: Annotated[Path | None, typer.Option(help="Registry of the local deployment.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; beyond loopback a token is needed.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = SERVICE_PORT,
    agent: Annotated[str, typer.Option(help="The agent of this node.")] = f"http://127.0.0.1:{AGENT_PORT}",
    token_file: Annotated[Path | None, typer.Option(help="File with the token that callers must send.")] = None,
    most_at_once: Annotated[int, typer.Option(help="Faults that may be there at once.")] = Rules.most_at_once,
    longest_seconds: Annotated[float, typer.Option(help="Longest fault, in seconds.")] = Rules.longest_seconds,
) -> None:
    """The fault injection service."""
    token = _token(token_file)
    if token is None and not _loopback(host):
        sys.exit(f"service: whoever reaches {host} could inject faults: give a --token-file, or listen on 127.0.0.1")
    try:
        service = Service(
            state / "service",
            {"local": AgentClient("local", agent, agent_token(state))},
            LocalInventory(registry or state / REGISTRY),
            rules=Rules(most_at_once, longest_seconds),
        )
    except JournalFailure as failure:
        sys.exit(f"service: {failure}")
    audit = Audit(state / "service" / "audit.jsonl")
    try:
        uvicorn.run(app(service, token=token, audit=audit), host=host, port=port, log_level="warning")
    finally:
        service.close()
        audit.close()


def _token(file: Path | None) -> str | None:
    if file is None:
        return None
    try:
        token = file.read_text().strip()
    except OSError as failure:
        sys.exit(f"service: the token file {file} cannot be read: {failure.strerror}")
    if len(token) < 16:
        sys.exit(f"service: the token in {file} is shorter than 16 characters: make a longer one")
    return token


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


if __name__ == "__main__":
    typer.run(main)
