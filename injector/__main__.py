"""`python -m injector`: faults from a shell, over the service; the kill switch also without it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from injector.agents.agent import Agent
from injector.agents.main import families
from injector.api_service.agents import AgentClient, Unreachable
from injector.errors import Refusal
from injector.fault import Fault
from injector.inventory import LocalInventory
from injector.places import AGENT_PORT, REGISTRY, SERVICE_PORT, STATE, agent_token, token_in
from injector.tls import client_context

_FAULTS = "/api/v1/faults"
Url = Annotated[str, typer.Option(help="The service.")]
TokenFile = Annotated[Path | None, typer.Option(help="File with the service's token.")]
_HERE = f"http://127.0.0.1:{SERVICE_PORT}"
commands = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)


@commands.command()
def inject(
    call: Annotated[str, typer.Argument(help="gpu, gpu/xid-79, network or process")],
    fields: Annotated[list[str], typer.Argument(help="FIELD=VALUE, as in the request; a VALUE may be JSON")],
    dry_run: Annotated[bool, typer.Option(help="Tell what would be done, and do nothing.")] = False,
    url: Url = _HERE,
    token_file: TokenFile = None,
) -> None:
    """Inject a fault, and print it."""
    family, _, xid = call.partition("/")
    body = dict(_field(each) for each in fields)
    path = f"{_FAULTS}/{family}/inject" + (f"/{xid}" if xid else "") + ("?dry_run=true" if dry_run else "")
    _print(_ask("POST", path, url, token_file, body))


@commands.command(name="list")
def list_faults(
    state: Annotated[str | None, typer.Option(help="Only those in it; else all that are not over.")] = None,
    url: Url = _HERE,
    token_file: TokenFile = None,
) -> None:
    """Print the faults."""
    _print(_ask("GET", _FAULTS + (f"?state={state}" if state else ""), url, token_file))


@commands.command()
def recover(identity: str, url: Url = _HERE, token_file: TokenFile = None) -> None:
    """Take one back, and print it."""
    _print(_ask("POST", f"{_FAULTS}/{identity}/recover", url, token_file))


@commands.command()
def recover_all(
    url: Url = _HERE,
    token_file: TokenFile = None,
    state: Annotated[Path, typer.Option(help="Folder of this node's agent.")] = STATE,
    agent: Annotated[str, typer.Option(help="This node's agent.")] = f"http://127.0.0.1:{AGENT_PORT}",
    agent_token_file: Annotated[Path | None, typer.Option(help="File with its token, if not in its folder.")] = None,
    agent_tls: Annotated[Path | None, typer.Option(help="Folder with tls.crt, tls.key and ca.crt, if it asks.")] = None,
) -> None:
    """Take everything back: by the service; if that is down, by this node's agent; if that is down, without it."""
    try:
        _print(_ask("POST", f"{_FAULTS}/recover", url, token_file))
        return
    except httpx.TransportError as down:
        print(f"the service does not answer ({down}): asking this node's agent", file=sys.stderr)
    if not state.is_dir():
        sys.exit(f"injector: there is no {state} on this node: give the agent's folder with --state")
    _print([fault.model_dump(mode="json") for fault in _on_this_node(state, agent, agent_token_file, agent_tls)])


def _on_this_node(state: Path, agent: str, token_file: Path | None, tls: Path | None) -> list[Fault]:
    try:
        token = token_in(token_file) if token_file else agent_token(state)
        return AgentClient("this node", agent, token, client_context(tls) if tls else None).recover_all()
    except Unreachable as down:
        print(f"{down.detail}: doing its work", file=sys.stderr)
    stand_in = Agent(state / "agent", families(LocalInventory(state / REGISTRY)))
    try:
        stand_in.start()
        return stand_in.recover_all()
    finally:
        stand_in.close()


def _field(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        sys.exit(f"injector: {text!r} is no FIELD=VALUE: say for example target_pod=vllm-worker-0")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _ask(method: str, path: str, url: str, token_file: Path | None, body: Any = None) -> Any:
    """The answer. A refusal ends the program with its sentence; httpx.TransportError when nobody answers."""
    headers = {"Authorization": f"Bearer {token_file.read_text().strip()}"} if token_file else {}
    with httpx.Client(base_url=url, headers=headers, timeout=90, trust_env=False) as client:
        answer = client.request(method, path, json=body)
    if not answer.is_success:
        sys.exit(f"injector: {answer.json()['detail']}")
    return answer.json()


def _print(told: Any) -> None:
    print(json.dumps(told, indent=2))


if __name__ == "__main__":
    try:
        commands()
    except (Refusal, ValueError, httpx.TransportError) as failure:
        sys.exit(f"injector: {failure}")
