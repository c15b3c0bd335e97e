"""A load that runs: its shards as processes of their own, told and heard through pipes."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from support.errors import DeploymentError, UsageError
from support.load.plan import SCHEMA, LoadPlan
from support.settings import ROOT
from support.waiting import eventually, scaled

PROGRAM = (sys.executable, "-m", "support.load.program")
READY_WITHIN = 20.0
"""Seconds until every shard is ready to send."""
ENDS_WITHIN = 10.0
"""Seconds, after its last request can have ended, until a shard has."""
_BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Progress:
    """How far a load is, over all its shards; at most 0.1 s old."""

    started: int = 0
    ended: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    tokens: int = 0
    oldest: float = math.inf
    """When the request was due that waits longest for its end (CLOCK_MONOTONIC): what was due before is in the records.
    When none waits, the moment in which this was told; infinite when the load is over."""

    @property
    def in_flight(self) -> int:
        return self.started - self.ended

    def __add__(self, other: Progress) -> Progress:
        counted = {name: getattr(self, name) + getattr(other, name) for name in COUNTS}
        return Progress(**counted, oldest=min(self.oldest, other.oldest))

    def __str__(self) -> str:
        return f"{self.ended} of {self.started} requests have ended, {self.failed} of them failed"


COUNTS = tuple(one.name for one in fields(Progress) if one.name != "oldest")


class LoadRun:
    """One load. `start` it, watch its `progress`, `stop` it; its records are in `log_dir`."""

    def __init__(self, plan: LoadPlan, log_dir: Path, *, program: Sequence[str] = PROGRAM) -> None:
        self.plan = plan
        self.log_dir = log_dir
        self.clock_offset = time.time() - time.monotonic()
        """Seconds from CLOCK_MONOTONIC to the epoch; the same for all records."""
        self._program = program
        self._shards: list[_Shard] = []

    def start(self) -> None:
        """Returns when every shard is about to send. UsageError when the folder holds a load already."""
        describe(self.plan, self.log_dir, clock_offset=self.clock_offset)
        for number in range(self.plan.shards):
            self._shards.append(_Shard([*self._program, str(self.log_dir), str(number)]))
        try:
            eventually(
                self._ready, within=READY_WITHIN, describe="the load client is ready", error=DeploymentError, interval=0
            )
        except BaseException:
            self.kill()
            raise
        begin = time.monotonic()
        for shard in self._shards:
            shard.say(f"go {begin}")

    @property
    def progress(self) -> Progress:
        return sum((shard.progress for shard in self._shards), Progress())

    @property
    def done(self) -> bool:
        """Every shard has ended."""
        return all(shard.over for shard in self._shards)

    def wait_for(self, until: Callable[[Progress], bool], *, within: float, describe: str) -> Progress:
        """The progress when that holds. NotWithin at the deadline, DeploymentError when the load is over before."""

        def look() -> Progress | None:
            now = self.progress
            if until(now):
                return now
            self._insist()
            if self.done and not until(self.progress):
                raise DeploymentError(f"{describe}: the load was over before ({self.progress})")
            return None

        seen = eventually(look, within=within, describe=describe, last_seen=lambda: str(self.progress))
        assert seen is not None
        return seen

    def wait(self, *, within: float) -> None:
        """Return when the load is done by itself. NotWithin, DeploymentError when a shard broke."""
        eventually(lambda: self.done, within=within, describe="the load is done", last_seen=lambda: str(self.progress))
        self._insist()

    def stop(self) -> None:
        """Send nothing new, let what is in flight end, and return then. DeploymentError when a shard broke."""
        longest = (self.plan.deadline or 0.0) * self.plan.turns_per_session
        self._end("stop", within=longest / scaled(1) + ENDS_WITHIN)
        self._insist()

    def abort(self) -> None:
        """Give up what is in flight, and return when that is recorded. Safe at any time."""
        self._end("abort", within=ENDS_WITHIN)

    def kill(self) -> None:
        """End the shards without a goodbye."""
        for shard in self._shards:
            shard.kill()

    def _end(self, word: str, *, within: float) -> None:
        for shard in self._shards:
            shard.say(word)
        try:
            eventually(lambda: self.done, within=within, describe="the load client has ended", error=DeploymentError)
        finally:
            self.kill()

    def _ready(self) -> bool:
        self._insist()
        return all(shard.ready.wait(0.02) for shard in self._shards)

    def _insist(self) -> None:
        for shard in self._shards:
            shard.insist_on_health()


def describe(plan: LoadPlan, folder: Path, *, clock_offset: float) -> None:
    """Write what the folder's records are of. UsageError when it holds a load already."""
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "load.json").exists():
        raise UsageError(f"{folder} holds a load already: give another folder, or delete it")
    described = {
        "schema": SCHEMA,
        "run": str(uuid.uuid4()),
        "clock_offset": clock_offset,
        "boot": _BOOT.read_text().strip() if _BOOT.exists() else "",
        "plan": plan.to_json(),
    }
    (folder / "load.json").write_text(json.dumps(described, indent=1))


class _Shard:
    """One process, and a thread that hears it."""

    def __init__(self, command: Sequence[str]) -> None:
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        self._process = subprocess.Popen(
            list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
        )
        self.progress = Progress()
        self.ready = threading.Event()
        self._said_over = False
        self._trouble = b""
        self._hearing = [threading.Thread(target=each, daemon=True) for each in (self._hear, self._hear_trouble)]
        for thread in self._hearing:
            thread.start()

    @property
    def over(self) -> bool:
        return self._process.poll() is not None and not any(thread.is_alive() for thread in self._hearing)

    def say(self, word: str) -> None:
        if self._process.stdin and self._process.poll() is None:
            try:
                self._process.stdin.write(f"{word}\n".encode())
                self._process.stdin.flush()
            except (BrokenPipeError, ValueError):  # it has just ended
                return

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for thread in self._hearing:
            thread.join()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe and not pipe.closed:
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue

    def insist_on_health(self) -> None:
        if self._process.poll() is not None and not self._said_over:
            for thread in self._hearing:
                thread.join()
            if not self._said_over:
                last = self._trouble.decode(errors="replace").strip().splitlines()[-1:] or ["nothing"]
                raise DeploymentError(
                    f"the load client ended with {self._process.returncode} and said {last[0]!r}: nothing can be judged"
                )

    def _hear(self) -> None:
        assert self._process.stdout
        for told in self._process.stdout:
            said = json.loads(told)
            if said.get("ready"):
                self.ready.set()
                continue
            oldest = math.inf if said["oldest"] is None else said["oldest"]
            self.progress = Progress(**{name: said[name] for name in COUNTS}, oldest=oldest)
            self._said_over = self._said_over or said.get("over", False)

    def _hear_trouble(self) -> None:
        assert self._process.stderr
        for told in self._process.stderr:
            self._trouble = (self._trouble + told)[-4000:]
