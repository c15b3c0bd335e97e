"""`./specs up` and `./specs shell`: one deployment kept up to play with, and a shell inside it."""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from injector.places import SERVICE_PORT
from support.deployment import Deployment
from support.errors import DeploymentError, Unavailable, UsageError
from support.local import lab
from support.local.scratch import PREFIX, Scratch
from support.local.target import LocalTarget
from support.relay import Inside, Outside
from support.settings import Settings
from support.spec import DeploymentSpec
from support.waiting import scale_deadlines

PORT = 8000
_FOLDER = "DYNAMO_FAULT_SPECS_UP"
"""Environment variable: the folder that the process outside the lab and the one inside share."""
_SOCKET, _SERVICE_SOCKET, _CARD = "frontend.sock", "service.sock", "up.json"


def up(settings: Settings) -> None:
    """Keep a deployment up, its frontend at localhost:8000, faults at localhost:8080, until SIGINT or SIGTERM."""
    if settings.target != "local":
        raise UsageError("./specs up keeps a deployment on this machine: leave -D target out")
    if lab.inside():
        _keep(settings, Path(os.environ[_FOLDER]))
    elif reason := lab.unavailable():
        raise Unavailable(f"./specs up needs namespaces: {reason}")
    else:
        shared = Scratch()
        os.environ[_FOLDER] = str(shared.path)
        lab.enter([sys.executable, *sys.orig_argv[1:]], beside=lambda: _outside(shared))


def shell() -> NoReturn:
    """A shell in the lab of the deployment that `up` keeps."""
    card = _card()
    init = lab.first_process(card["outside"])
    as_user = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
    own = os.environ | card["environment"]
    program = os.environ.get("SHELL", "/bin/sh")
    print(f"the frontend is at {card['environment']['FRONTEND_URL']}; the namespaces are listed by 'ip netns'")
    enter = ["nsenter", f"--target={init}", *as_user, "--net", "--mount", "--pid"]
    os.execvpe(enter[0], [*enter, f"--wd={Path.cwd()}", "--", program], own)


@contextmanager
def _outside(shared: Scratch) -> Iterator[None]:
    try:
        with (
            Outside(port=PORT, socket=shared.path / _SOCKET),
            Outside(port=SERVICE_PORT, socket=shared.path / _SERVICE_SOCKET),
        ):
            yield
    finally:
        shared.close()


def _keep(settings: Settings, shared: Path) -> None:
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    scale_deadlines(settings.timeout_scale)
    target = LocalTarget(settings, logs=settings.log_dir / "up")
    try:
        spec = DeploymentSpec(
            backend=settings.backend or "vllm",
            engine=settings.engine,
            request_plane=settings.request_plane,
            dynamo=settings.dynamo,
            migration_limit=3,
        )
        print(f"starting {spec} ...", flush=True)
        deployment = target.deployment(spec)
        (shared / _CARD).write_text(json.dumps(_written(deployment)))
        with (
            _relayed(shared / _SOCKET, deployment.base_url),
            _relayed(shared / _SERVICE_SOCKET, deployment.injection().url),
        ):
            print(_told(deployment, settings), flush=True)
            over.wait()
    finally:
        target.close()


def _relayed(file: Path, url: str) -> Inside:
    host, _, port = url.removeprefix("http://").partition(":")
    return Inside(socket=file, host=host, port=int(port))


def _written(deployment: Deployment) -> dict[str, Any]:
    etcds = ",".join(f"http://{one.address}:2379" for one in deployment.of_role("etcd"))
    return {"environment": {"FRONTEND_URL": deployment.base_url, "ETCDCTL_ENDPOINTS": etcds, "ETCDCTL_API": "3"}}


def _told(deployment: Deployment, settings: Settings) -> str:
    rows = "\n".join(f"  {one.name:<16} {one.address:<12} process {one.pid}" for one in deployment.components.values())
    as_json = "-H 'content-type: application/json' -d"
    ask = json.dumps({"model": deployment.model, "prompt": "1 2 3", "max_tokens": 20, "stream": True})
    pause = json.dumps({"target_pod": deployment.workers[0].name, "fault_type": "PAUSE"})
    faults = f"localhost:{SERVICE_PORT}/api/v1/faults"
    return (
        f"up, the frontend is at http://localhost:{PORT}; Ctrl-C ends it\n{rows}\n"
        f"  logs: {settings.log_dir / 'up'}\n  a shell inside: ./specs shell\n"
        f"  try: curl -N localhost:{PORT}/v1/completions {as_json} '{ask}'\n"
        f"  a fault: curl -X POST {faults}/process/inject {as_json} '{pause}'\n"
        f"  all of them: curl {faults}, and taken back: curl -X POST {faults}/recover"
    )


def _card() -> dict[str, Any]:
    """Of the deployment that is up. DeploymentError when there is none, UsageError when there are several."""
    cards = [
        card for card in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/{_CARD}") if card.stat().st_uid == os.geteuid()
    ]
    alive = [card for card in cards if Scratch.held_by(card.parent)]
    if not alive:
        raise DeploymentError("no deployment is up: ./specs up keeps one")
    if len(alive) > 1:
        raise UsageError(f"{len(alive)} deployments are up: end all but one")
    card: dict[str, Any] = json.loads(alive[0].read_text())
    return card | {"outside": Scratch.held_by(alive[0].parent)}
