"""Where the time of a run goes: wall and CPU time of each phase, from the command to its exit.

    python -m tests.benchmarks.run_phases [--tags "@vllm and not @nats"] [-D key=value ...]

Runs `python -m behave` once, with clocks around the functions that begin and end a phase. Phases do not overlap: time
in an inner one (a deployment that a step asks for) does not count for the outer one, so the rows add up to the whole.
CPU is that of every process of the run, Dynamo's too (proc_pid_stat(5), in ticks of 10 ms): while a step waits for
tokens it is what the workers use.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

_FILE = "RUN_PHASES_FILE"
"""Environment variable: where the process under the clocks writes. It is set for that process only."""
_TICK = os.sysconf("SC_CLK_TCK")
_STARTS = _START, _ENTER, _IMPORT, _CHECK = (
    "start: imports and features, outside the lab",
    "start: enter the lab",
    "start: imports and features, again inside",
    "start: target, model folder, versions",
)
_BEHAVE, _EXIT = "behave itself", "exit"
_ORDER = ("start", "deployment", "step", "end", "report", "behave", "exit")


def main() -> None:
    options, more = _options()
    with tempfile.TemporaryDirectory(prefix="phases-") as folder:
        phases = Path(folder) / "phases.jsonl"
        asked = [f"--tags={options.tags}", "-D", f"log_dir={folder}", *more]
        begun = time.monotonic()
        status = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.run_phases", *asked],
            env={**os.environ, _FILE: str(phases)},
            stdout=subprocess.DEVNULL,
        ).returncode
        ended = time.monotonic()
        rows = read(phases.read_text(), begun, ended)
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, behave --tags={options.tags!r} ended with {status}")
    report(rows, ended - begun)


def report(rows: dict[str, list[float]], total: float) -> None:
    """rows: by phase [times, wall seconds, CPU seconds]."""
    print(f"\n{'phase':75} {'times':>5} {'wall':>8} {'share':>6} {'each':>8} {'CPU':>8}")
    for name, (times, wall, cpu) in sorted(rows.items(), key=_place):
        print(f"{name:75} {times:5.0f} {wall:6.2f} s {wall / total:6.1%} {wall / max(times, 1):6.2f} s {cpu:6.2f} s")
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{'the whole':75} {1:5} {total:6.2f} s {1:6.1%} {total:6.2f} s {spent.ru_utime + spent.ru_stime:6.2f} s")


def read(text: str, begun: float, ended: float) -> dict[str, list[float]]:
    """The rows of a run, out of what its two processes wrote: the one outside the lab, then the one in it."""
    said = [json.loads(line) for line in text.splitlines()]
    *outside, inside = said  # where there can be no lab, nobody is outside
    rows: dict[str, list[float]] = dict(inside["rows"])
    entered = inside["begun"]
    if outside:
        rows[_START] = [1, outside[0]["ended"] - begun, outside[0]["cpu"]]
        rows[_ENTER] = [1, entered - outside[0]["ended"], inside["cpu"]]
    else:
        rows[_START] = [1, entered - begun, inside["cpu"]]
    rows[_EXIT] = [1, ended - inside["ended"], 0.0]
    return rows


def _place(row: tuple[str, list[float]]) -> tuple[int, float]:
    """The start in its order, then kind by kind, the longest first."""
    name, (_, wall, _) = row
    kind = re.split(r"\W", name)[0]
    return _ORDER.index(kind), _STARTS.index(name) if kind == "start" else -wall


class Clock:
    """Exclusive times of phases that stand in each other; of one thread."""

    def __init__(self) -> None:
        self.rows: dict[str, list[float]] = defaultdict(lambda: [0, 0.0, 0.0])
        self._stack = [_IMPORT]
        self.rows[_IMPORT][0] = 1
        self.begun, self.cpu = self._at = time.monotonic(), _cpu_of_all()

    def around(self, owner: Any, name: str, phase: str | Callable[..., str]) -> None:
        """Count every call of `owner.name` to a phase, which may depend on the call's arguments."""
        function = getattr(owner, name)

        @functools.wraps(function)
        def timed(*arguments: Any, **named: Any) -> Any:
            label = phase if isinstance(phase, str) else phase(*arguments)
            self._turn()
            self._stack.append(label)
            self.rows[label][0] += 1
            try:
                return function(*arguments, **named)
            finally:
                self._turn()
                self._stack.pop()

        setattr(owner, name, timed)

    def begin(self, phase: str) -> None:
        """From now on everything that is in no other phase counts to this one."""
        self._turn()
        self._stack[0] = phase
        self.rows[phase][0] = 1

    def stop(self) -> dict[str, Any]:
        self._turn()
        return {"rows": self.rows, "begun": self.begun, "cpu": self.cpu, "ended": self._at[0]}

    def _turn(self) -> None:
        now, cpu = time.monotonic(), _cpu_of_all()
        row = self.rows[self._stack[-1]]
        row[1] += now - self._at[0]
        row[2] += cpu - self._at[1]
        self._at = now, cpu


def instrumented(arguments: Sequence[str], file: Path) -> int:
    """Be `behave` with clocks. Outside the lab it ends where the lab is entered, with these same arguments."""
    clock = Clock()
    from behave.__main__ import main as behave
    from behave.model import Step

    from support import hooks
    from support.local import deployment, lab, target
    from support.world import World

    enter = lab.enter

    def entering(*positional: Any, **named: Any) -> None:
        _write(file, {"ended": time.monotonic(), "cpu": _cpu_of_own()})
        enter(*positional, **named)

    def began(*_: Any) -> str:
        clock.begin(_BEHAVE)
        return _CHECK

    setattr(lab, "enter", entering)  # noqa: B010  # a process of its own, which only measures this
    clock.around(hooks, "before_all", began)
    clock.around(target.LocalTarget, "_new", "deployment: made ready")
    clock.around(target.LocalTarget, "_pooled", "deployment: looked for in the pool, asked how it is")
    clock.around(Step, "run", _kind)
    clock.around(World, "finish", "end: heal, clients leave, deployment goes back")
    clock.around(World, "_keep_evidence", "end: evidence")
    clock.around(World, "_complaints", "end: nothing ended by itself, nothing in flight?")
    clock.around(deployment.LocalDeployment, "close", "end: deployment closed")
    clock.around(target.LocalTarget, "close", "end: target closed")
    clock.around(hooks, "build", "report: HTML")
    status: int = behave(list(arguments))
    _write(file, clock.stop())
    return status


def _kind(step: Any, *_: Any) -> str:
    return f"step: {step.step_type} {re.sub(r'[0-9]+', 'N', step.name)}"


def _write(file: Path, said: dict[str, Any]) -> None:
    with file.open("a") as out:
        out.write(json.dumps(said) + "\n")


def _cpu_of_own() -> float:
    accounts = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(account.ru_utime + account.ru_stime for account in accounts)


def _cpu_of_all() -> float:
    """Seconds that the processes of this process namespace have used, those included that ended and were waited for."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            ticks += sum(map(int, stat.read_text().rpartition(")")[2].split()[11:15]))
        except (FileNotFoundError, ProcessLookupError):  # it ended between two looks
            continue
    return ticks / _TICK


def _options() -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(
        prog=f"{Path(sys.executable).name} -m tests.benchmarks.run_phases",
        epilog="Anything else is given to behave as it is.",
    )
    parser.add_argument("--tags", default="@vllm and not @nats")
    return parser.parse_known_args()


if __name__ == "__main__":
    if _FILE in os.environ:
        sys.exit(instrumented(sys.argv[1:], Path(os.environ[_FILE])))
    main()
