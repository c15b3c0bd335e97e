"""A load from inside the cluster: an Indexed Job, each of whose pods runs one shard; their records are read as one."""

from __future__ import annotations

import base64
import json
import math
import threading
import time
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from websocket import WebSocketException

from support.errors import DeploymentError, UsageError
from support.kubernetes_target import manifests
from support.kubernetes_target.cluster import Cluster, Manifest
from support.kubernetes_target.labels import RUN
from support.kubernetes_target.manifests import Home
from support.kubernetes_target.pods import CONTAINER, container_runs, hopeless, waits_for
from support.kubernetes_target.sessions import lines
from support.load.plan import LoadPlan
from support.load.run import COUNTS, Progress, describe
from support.waiting import eventually, scaled

JOB = "load"
INDEX = "batch.kubernetes.io/job-completion-index"
"""Label of a pod of an Indexed Job: its number."""
PROGRAM = ("python3", "-m", "support.kubernetes_target.load_shard")
RUNS_WITHIN = 300.0
"""Seconds until every pod of it runs; many may wait for room, or for the image."""
READY_WITHIN = 60.0
BEGINS_IN = 1.0
"""Seconds after the word, by the clocks of the nodes: all shards begin at once, as far as those agree."""
SENT_WITHIN = 120.0
"""Seconds, after the last request can have ended, until all records are here."""


class LoadJob:
    """One load, in a namespace of its own, which goes with it. The plan must have an end of its own."""

    def __init__(self, cluster: Cluster, home: Home, owner: Any, plan: LoadPlan, log_dir: Path) -> None:
        """home: of the Job. owner: the run's namespace. log_dir: a new folder. UsageError for a plan without an end."""
        if not (plan.requests_per_client or plan.requests or plan.duration):
            raise UsageError("a load in a Job needs an end: say requests_per_client, requests or duration")
        self._cluster, self._home, self._owner = cluster, home, owner
        self._plan, self._folder = plan, log_dir
        self._shards: list[_Shard] = []

    @property
    def progress(self) -> Progress:
        """Over all its shards, at most a second old and a way old."""
        return sum((shard.progress for shard in self._shards), Progress())

    def run(self, *, within: float) -> None:
        """Send it all, and return when the records are in the folder. DeploymentError when a shard broke or is late.

        within: seconds until every request has ended.
        """
        describe(self._plan, self._folder, clock_offset=time.time() - time.monotonic())
        self._cluster.make(manifests.namespace(self._home, self._owner))
        try:
            self._cluster.make(job(self._home, self._plan.shards))
            self._open(self._pods())
            self._await(lambda shard: shard.ready, within=READY_WITHIN, describe="is ready")
            begin = time.time() + BEGINS_IN
            for shard in self._shards:
                shard.say(f"go {begin}")
            self._await(lambda shard: shard.sent, within=within + SENT_WITHIN, describe="has sent its records")
        finally:
            self._cluster.delete_namespace(self._home.namespace, grace=1)

    def _pods(self) -> Sequence[Any]:
        """By number, when each runs. DeploymentError, with the reason."""

        def run(pods: dict[str, Any]) -> bool:
            for pod in pods.values():
                if reason := hopeless(pod):
                    raise DeploymentError(f"a shard of the load cannot run: {reason}")
            return sum(map(container_runs, pods.values())) == self._plan.shards

        pods = self._cluster.await_pods(self._home.namespace, run, within=RUNS_WITHIN)
        if not run(pods):
            lacks = [waits_for(pod) for pod in pods.values() if not container_runs(pod)]
            raise DeploymentError(
                f"{len(lacks)} of {self._plan.shards} shards do not run within {scaled(RUNS_WITHIN):g} s: "
                f"{lacks[0] if lacks else 'the Job has made no more pods'}"
            )
        return sorted(pods.values(), key=lambda pod: int(pod.metadata.labels[INDEX]))

    def _open(self, pods: Sequence[Any]) -> None:
        with ThreadPoolExecutor(max_workers=8) as opening:
            self._shards = list(opening.map(self._shard, range(len(pods)), pods))

    def _shard(self, number: int, pod: Any) -> _Shard:
        session = self._cluster.execute(self._home.namespace, pod.metadata.name, [*PROGRAM, "run"])
        shard = _Shard(session, pod.metadata.name, self._folder)
        shard.say(json.dumps({"plan": self._plan.to_json(), "shard": number}))
        return shard

    def _await(self, done: Any, *, within: float, describe: str) -> None:
        def all_done() -> bool:
            for shard in self._shards:
                shard.insist()
            return all(map(done, self._shards))

        eventually(
            all_done,
            within=within,
            describe=f"every shard of the load {describe}",
            error=DeploymentError,
            interval=0.1,
            last_seen=lambda: f"{', '.join(one.name for one in self._shards if not done(one))} not; {self.progress}",
        )


class _Shard:
    """One session, and a thread that hears it until its pod goes, and closes it: nobody else may while it is heard."""

    def __init__(self, session: Any, name: str, folder: Path) -> None:
        self.name = name
        self.progress = Progress()
        self.ready = self.sent = self._gone = False
        self._broke: int | None = None
        self._session, self._folder = session, folder
        threading.Thread(target=self._hear, name=f"shard {name}", daemon=True).start()

    def say(self, word: str) -> None:
        with suppress(OSError, WebSocketException):  # who has gone is told of by `insist`
            self._session.write_stdin(f"{word}\n")

    def insist(self) -> None:
        """DeploymentError when it has gone without its records, or its load client broke."""
        if self._broke is not None:
            raise DeploymentError(
                f"the load client of the shard {self.name} ended with {self._broke}: nothing can be judged"
            )
        if self._gone and not self.sent:
            raise DeploymentError(
                f"the shard {self.name} of the load is gone without its records: nothing can be judged"
            )

    def _hear(self) -> None:
        try:
            with suppress(OSError, ValueError):  # what is cut off, or cannot be kept here, is gone as well
                for line in lines(self._session):
                    self._take(json.loads(line))
            with suppress(OSError, WebSocketException):
                self._session.close()
        finally:
            self._gone = True

    def _take(self, said: dict[str, Any]) -> None:
        if "file" in said:
            with (self._folder / said["file"]).open("ab") as file:
                file.write(zlib.decompress(base64.b64decode(said["data"])))
            return
        self.sent = self.sent or said.get("sent", False)
        self.ready = self.ready or said.get("ready", False)
        self._broke = said.get("broke", self._broke)
        if "ended" in said:
            oldest = math.inf if said["oldest"] is None else said["oldest"]
            self.progress = Progress(**{name: said[name] for name in COUNTS}, oldest=oldest)


def job(home: Home, shards: int) -> Manifest:
    """So many pods at once, numbered, spread over the nodes; none is replaced.

    One that breaks breaks the load, and leaves the others alone, so that it is the one that is named: with a
    `backoffLimit` of the whole Job, its controller ends the others, some of them sooner than the broken one is gone.
    """
    metadata = {"name": JOB, "namespace": home.namespace, "labels": {RUN: home.run}}
    container = {
        "name": CONTAINER,
        "image": home.image,
        "imagePullPolicy": "IfNotPresent",
        "command": [*PROGRAM, "wait"],
    }
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": {"job-name": JOB}},
    }
    pod = {
        "automountServiceAccountToken": False,
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 1,
        "topologySpreadConstraints": [spread],
        "containers": [container],
    }
    spec = {
        "completionMode": "Indexed",
        "completions": shards,
        "parallelism": shards,
        "backoffLimitPerIndex": 0,
        "template": {"spec": pod},
    }
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}
