"""The injection service installed on a cluster, and a few pods there to do things to.

FAULT_INJECTION_TEST_IMAGES names the images of the service and of the agent, with a comma between; KUBECONFIG the
cluster, whose administrator we must be; kubectl must be on the PATH. A module that imports this is skipped where they
are not there.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.settings import ROOT
from support.waiting import eventually

IMAGES = tuple(os.environ.get("FAULT_INJECTION_TEST_IMAGES", "").split(","))
if len(IMAGES) != 2 or "KUBECONFIG" not in os.environ or not shutil.which("kubectl"):
    pytest.skip(
        "needs a cluster: KUBECONFIG, kubectl, and FAULT_INJECTION_TEST_IMAGES=SERVICE,AGENT", allow_module_level=True
    )
HOME = "dynamo-faults"
PODS = "injection-tests"
TOKEN = "a-token-for-the-tests-alone"
ALLOWED = "dynamo-faults/allowed"
_STARTS_WITHIN = 90.0
_CONNECT = "import socket,sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=1)"
_WATCH = """
import socket, sys, time
connected = None
while True:
    try:
        socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=0.5).close()
        now = True
    except OSError:
        now = False
    if now is not connected:
        connected = now
        print("connects" if now else "does not", flush=True)
    time.sleep(0.1)
"""
"""Says when it connects and when it does not any more, as it sees it."""


def kubectl(*words: str, text: str | None = None) -> str:
    """Its output. AssertionError with its complaint."""
    done = subprocess.run(["kubectl", *words], input=text, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stderr.strip()}"
    return done.stdout


def told(*words: str) -> Any:
    return json.loads(kubectl(*words, "-o", "json"))


def node_names() -> list[str]:
    return [node["metadata"]["name"] for node in told("get", "nodes")["items"]]


def keep_secret(name: str, *contents: str) -> None:
    """Beside the service, in the place of one of that name. contents: as `kubectl create secret generic` takes them."""
    made = kubectl("-n", HOME, "create", "secret", "generic", name, *contents, "--dry-run=client", "-o", "yaml")
    kubectl("apply", "-f", "-", text=made)


class Installed:
    """As docs/injection.md says."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        shutil.copytree(ROOT / "injector" / "deploy", folder / "deploy")
        self._forwarding: subprocess.Popen[str] | None = None
        self.http = httpx.Client()

    def apply(self, what: str) -> None:
        """base, or an overlay; returns when all of it runs."""
        names = ("fault-injection-service", "gpu-fault-injector")
        images = [
            {"name": name, "newName": image.rpartition(":")[0], "newTag": image.rpartition(":")[2]}
            for name, image in zip(names, IMAGES, strict=True)
        ]
        kustomization = {"resources": [f"deploy/{what}"], "images": images}
        (self._folder / "kustomization.yaml").write_text(json.dumps(kustomization))
        kubectl("apply", "-k", str(self._folder))
        keep_secret("fault-injection-tokens", f"--from-literal=api={TOKEN}", f"--from-literal=agents={TOKEN}-too")
        self.settle()

    def settle(self) -> None:
        """Return when everything of it runs, and is reached."""
        for one in ("daemonset/gpu-fault-injector", "deployment/fault-injection-service"):
            kubectl("-n", HOME, "rollout", "status", one, f"--timeout={_STARTS_WITHIN:g}s")
        self._connect()

    def _connect(self) -> None:
        self.disconnect()
        words = ["kubectl", "-n", HOME, "port-forward", "service/fault-injection-service", ":8080"]
        self._forwarding = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert self._forwarding.stdout
        port = self._forwarding.stdout.readline().partition(" -> ")[0].rpartition(":")[2]
        self.url = f"http://127.0.0.1:{port}"
        headers = {"Authorization": f"Bearer {TOKEN}"}
        self.http = httpx.Client(base_url=self.url, headers=headers, timeout=60, trust_env=False)

    def disconnect(self) -> None:
        self.http.close()
        if self._forwarding:
            self._forwarding.terminate()
            self._forwarding.communicate()

    def post(self, path: str, **body: Any) -> httpx.Response:
        """To /api/v1/faults and that path."""
        return self.http.post(f"/api/v1/faults{path}", json=body)

    def done(self, path: str, **body: Any) -> dict[str, Any]:
        """The fault that is made by it."""
        answer = self.post(path, **body)
        assert answer.status_code == 201, answer.text
        fault: dict[str, Any] = answer.json()
        assert (fault["state"], bool(fault["evidence"])) == ("ACTIVE", True)
        return fault

    def refused(self, status: int, path: str, **body: Any) -> str:
        """Its sentence."""
        answer = self.post(path, **body)
        assert answer.status_code == status, answer.text
        return str(answer.json()["detail"])

    def fault(self, identity: str) -> dict[str, Any]:
        found: dict[str, Any] = self.http.get(f"/api/v1/faults/{identity}").json()
        return found

    def recover(self, fault: dict[str, Any]) -> dict[str, Any]:
        answer = self.post(f"/{fault['id']}/recover")
        assert answer.status_code == 200, answer.text
        recovered: dict[str, Any] = answer.json()
        return recovered

    def remove(self) -> None:
        self.disconnect()
        kubectl("delete", "-k", str(self._folder), "--wait=true", "--timeout=120s")


class Pod:
    """One with a server in it."""

    def __init__(self, name: str, node: str, image: str, *, role: str, port: int, **spec: Any) -> None:
        self.name, self.node, self.port = name, node, port
        container = {
            "name": "main",
            "image": image,
            "imagePullPolicy": "IfNotPresent",
            "command": ["python", "-m", "http.server", str(port)],
            "ports": [{"containerPort": port}],
            "readinessProbe": {"tcpSocket": {"port": port}, "periodSeconds": 1},
        }
        self._manifest = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": PODS, "labels": {"dynamo-faults/role": role}},
            "spec": {
                "nodeName": node,
                "terminationGracePeriodSeconds": 1,
                "enableServiceLinks": False,
                "containers": [container],
                **spec,
            },
        }

    def start(self) -> None:
        kubectl("apply", "-f", "-", text=json.dumps(self._manifest))
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        kubectl("-n", PODS, "wait", "--for=condition=Ready", f"pod/{self.name}", f"--timeout={_STARTS_WITHIN:g}s")

    def replace(self) -> None:
        """By another one of its name."""
        kubectl("-n", PODS, "delete", "pod", self.name, "--now", "--wait=true")
        self.start()

    @property
    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = told("-n", PODS, "get", "pod", self.name)["status"]
        return found

    @property
    def address(self) -> str:
        return str(self.status["podIP"])

    @property
    def restarts(self) -> int:
        return int(self.status["containerStatuses"][0]["restartCount"])

    def connects(self, other: Pod) -> bool:
        """A program in it connects to that one."""
        words = ["kubectl", "-n", PODS, "exec", self.name, "--", "python", "-c", _CONNECT, other.address]
        return subprocess.run([*words, str(other.port)], capture_output=True, timeout=60).returncode == 0

    def process_state(self) -> str:
        """Letter of its first process."""
        stat = kubectl("-n", PODS, "exec", self.name, "--", "cat", "/proc/1/stat")
        return stat.rpartition(")")[2].split()[0]

    @contextmanager
    def watching(self, other: Pod) -> Iterator[Watch]:
        """A program in it tries to connect to that one all the time."""
        words = ["kubectl", "-n", PODS, "exec", self.name, "--", "python", "-c", _WATCH, other.address, str(other.port)]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as watching:
            try:
                yield Watch(watching)
            finally:
                watching.terminate()


class Watch:
    """Between two pods."""

    def __init__(self, watching: subprocess.Popen[str]) -> None:
        assert watching.stdout
        self._said = watching.stdout

    def sees(self, what: str) -> float:
        """Wait until it says that; seconds of this process's clock when it did."""
        for line in self._said:
            if line.strip() == what:
                return time.monotonic()
        raise AssertionError(f"it ended and never said that it {what}")


@contextmanager
def installed(folder: Path) -> Iterator[Installed]:
    """The base, until the end. folder: an empty one."""
    if HOME in (one["metadata"]["name"] for one in told("get", "namespaces")["items"]):
        pytest.skip(f"there is a namespace {HOME} on the cluster already: take that installation away first")
    made = Installed(folder)
    try:
        made.apply("base")
        yield made
    finally:
        made.remove()


@contextmanager
def opted_in(nodes: Iterable[str]) -> Iterator[None]:
    """Their owner agrees to faults."""
    with ExitStack() as undoing:
        for node in nodes:
            undoing.callback(kubectl, "label", "node", node, f"{ALLOWED}-")
            kubectl("label", "node", node, f"{ALLOWED}=true", "--overwrite")
        yield


@contextmanager
def some_pods(image: str, nodes: tuple[str, str]) -> Iterator[dict[str, Pod]]:
    """A frontend and a worker on the second node, a worker on the first, in a namespace that has opted in."""
    here, there = nodes
    pods = {
        "frontend-0": Pod("frontend-0", there, image, role="frontend", port=8000),
        "vllm-worker-0": Pod("vllm-worker-0", here, image, role="worker", port=9090),
        "vllm-worker-1": Pod("vllm-worker-1", there, image, role="worker", port=9090),
    }
    with ExitStack() as undoing:
        kubectl("create", "namespace", PODS)
        undoing.callback(kubectl, "delete", "namespace", PODS, "--wait=true")
        kubectl("label", "namespace", PODS, f"{ALLOWED}=true")
        undoing.enter_context(opted_in(nodes))
        for pod in pods.values():
            pod.start()
        yield pods


def wait_for_agents(count: int) -> None:
    """So many of their pods are there, none of them on its way out."""
    eventually(
        lambda: (
            len(told("-n", HOME, "get", "pods", "-l", "app.kubernetes.io/name=gpu-fault-injector")["items"]) == count
        ),
        within=60,
        describe=f"there are {count} agents",
    )
