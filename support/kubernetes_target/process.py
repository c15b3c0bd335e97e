"""A component's process in its pod: what is asked of the keeper in its container, and what that tells unasked."""

from __future__ import annotations

import itertools
import json
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from websocket import WebSocketException

from support import errors
from support.errors import DeploymentError, FaultError
from support.kubernetes_target.cluster import Cluster
from support.kubernetes_target.in_image import ROOT, SOCKET
from support.kubernetes_target.log import PodLog
from support.kubernetes_target.pods import container_runs, main_of
from support.kubernetes_target.sessions import lines
from support.vitals import Vitals
from support.waiting import eventually

RELAY = ("python3", "-S", str(ROOT / "support" / "kubernetes_target" / "relay.py"), str(SOCKET))
ANSWERS_WITHIN = 20.0
"""Seconds; the keeper itself waits 5 until what it does is seen, and 10 until what it stops is gone."""
LOOKS_AGAIN = 0.25
"""Seconds, at least, between questions whether a pod that was lost is back."""


class PodProcess:
    """With the verbs of `support.process.SupervisedProcess`, which is what the keeper has."""

    def __init__(self, cluster: Cluster, namespace: str, pod: str, log: PodLog) -> None:
        self.name = pod
        self._exits: list[int] = []
        self._address = ""
        self._cluster, self._namespace, self._log = cluster, namespace, log
        self._changed = threading.Condition()
        self._connecting = threading.RLock()
        self._session: Any = None
        self._looked_at = 0.0
        self._pid: int | None = None
        self._frozen = False
        self._earlier: list[int] = []
        self._container = ""
        self._told = False
        """The keeper has said how it is."""
        self._numbers = itertools.count(1)
        self._answers: dict[int, dict[str, Any]] = {}

    def connect(self, pod: Any) -> None:
        """Speak with the keeper in that pod, whose container runs. DeploymentError."""
        with self._connecting:
            container = main_of(pod).container_id
            if container != self._container:  # another keeper, which knows nothing of the ends before
                self._earlier, self._container = list(self._exits), container
            self._address = pod.status.pod_ip
            session = self._cluster.execute(self._namespace, self.name, RELAY)
            with self._changed:
                self._session, self._told = session, False
            threading.Thread(target=self._listen, args=(session,), name=f"keeper of {self.name}", daemon=True).start()
            self._log.follow(pod)

    def begun(self, *, within: float) -> None:
        """Return when it has been started at least once. DeploymentError.

        A container runs before its keeper listens: what was asked too early is asked again.
        """
        eventually(
            lambda: self.running or self.exits,
            within=within,
            describe=f"{self.name} was started",
            error=DeploymentError,
            interval=0.05,
            last_seen=lambda: "its keeper waits for etcd and NATS" if self._session else "its keeper does not answer",
        )

    def await_keeper(self, *, within: float) -> None:
        """Return when it can be asked, whether or not it has been started. DeploymentError."""
        eventually(self._heard, within=within, describe=f"the keeper of {self.name} answers", error=DeploymentError)

    def _heard(self) -> bool:
        self._look()
        return self._session is not None and self._told

    def disconnect(self) -> None:
        """Take up nothing any more; what is open ends with the container. Safe to call twice."""
        self._looked_at = float("inf")
        self._log.close()

    # The verbs.

    def run_next(self, argv: Sequence[str], environment: Mapping[str, str]) -> None:
        self._ask("run_next", argv=list(argv), environment=dict(environment))

    def start(self) -> None:
        self._ask("start")

    def stop(self) -> None:
        self._ask("stop")

    def kill(self, *, for_good: bool = False) -> None:
        self._ask("kill", for_good=for_good)

    def terminate(self, *, for_good: bool = False) -> None:
        self._ask("terminate", for_good=for_good)

    def interrupt(self) -> None:
        self.send(signal.SIGINT)

    def send(self, number: signal.Signals) -> None:
        self._ask("send", number=int(number))

    def pause(self) -> None:
        self._ask("pause")
        self._frozen = True

    def resume(self) -> None:
        self._ask("resume")
        self._frozen = False

    def vitals(self) -> Vitals:
        try:
            told: dict[str, int] = self._ask("vitals")
        except FaultError as silence:
            raise DeploymentError(str(silence)) from silence
        return Vitals(**told)

    def erase(self) -> None:
        """Take away what it has stored."""
        self._ask("erase")

    def flaw_model(self, flaw: str) -> str:
        """Write a model with that flaw in its container; returns the folder of its cache there."""
        return str(self._ask("flaw_model", flaw=flaw))

    # What it is.

    @property
    def address(self) -> str:
        """Of its pod, the newest one."""
        self._look()
        return self._address

    @property
    def exits(self) -> list[int]:
        """Over all of its containers. One that went with its container, and told nobody how, was killed."""
        self._look()
        return self._exits

    @property
    def running(self) -> bool:
        self._look()
        return self._pid is not None

    @property
    def frozen(self) -> bool:
        """By what `pause` and `resume` have seen; nobody else freezes it."""
        return self.running and self._frozen

    @property
    def pid(self) -> int:
        """In its container."""
        self._look()
        if self._pid is None:
            raise DeploymentError(f"{self.name} is not running: it ended with {self.exits or 'nothing'}")
        return self._pid

    def _ask(self, verb: str, **how: object) -> Any:
        """The keeper's answer, or its error as ours."""
        self._look()
        session = self._session
        if session is None:
            raise FaultError(f"{self.name} has no running container: nothing can be done to it")
        number = next(self._numbers)
        try:
            session.write_stdin(json.dumps({"id": number, "do": verb, "how": how}) + "\n")
        except (OSError, WebSocketException) as failure:
            raise FaultError(f"{self.name} has no running container that can be told to {verb}: {failure}") from failure
        with self._changed:
            self._changed.wait_for(
                lambda: number in self._answers or self._session is not session, timeout=ANSWERS_WITHIN
            )
            answer = self._answers.pop(number, None)
        if answer is None:
            raise FaultError(f"{self.name} was told to {verb} and its keeper did not answer")
        if "error" in answer:
            raise getattr(errors, answer["kind"])(answer["error"])
        return answer["answer"]

    def _listen(self, session: Any) -> None:
        """Runs in a thread: take what the keeper says, until it says no more."""
        with suppress(ValueError):  # of a line that is cut off in the middle
            for line in lines(session):
                self._take(json.loads(line))
        with suppress(OSError, WebSocketException):
            session.close()
        with self._changed:
            if self._session is session:
                self._session = None
            self._changed.notify_all()

    def _take(self, said: dict[str, Any]) -> None:
        with self._changed:
            state = said["state"]
            exits = self._earlier + state["exits"]
            if len(exits) > len(self._exits) or state["pid"] != self._pid:
                self._frozen = False
            self._exits, self._pid, self._told = exits, state["pid"], True
            if "id" in said:
                self._answers[said["id"]] = said
            self._changed.notify_all()

    def _look(self) -> None:
        """Where the keeper fell silent: its container is gone, or only the way to it is."""
        if self._session is not None or time.monotonic() - self._looked_at < LOOKS_AGAIN:
            return
        with self._connecting, suppress(DeploymentError):  # nobody can say: what was known last stands
            if self._session is not None:
                return
            self._looked_at = time.monotonic()
            pod = self._cluster.pod(self._namespace, self.name)
            there = container_runs(pod)
            if self._pid is not None and (not there or main_of(pod).container_id != self._container):
                with self._changed:  # it went with its container, and nobody was left to tell how
                    self._exits, self._pid, self._frozen = [*self._exits, -signal.SIGKILL], None, False
            if there:
                self.connect(pod)
