"""`./specs run -j N`: runs of behave side by side, each with its part of the scenarios and a lab of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from support.errors import SpecsError, UsageError
from support.hooks import hold
from support.parts import NOTHING, VARIABLE, Part
from support.process import ends_with_us
from support.put_off import PutOff, of_parts
from support.report.html import build
from support.report.summary_page import write_summary
from support.report.written_results import results_of, verdict_of
from support.settings import Settings

_PARTS = "parts"
"""Folder below log_dir in which parts write, until they are put together."""
REFUSED = 2
"""Exit status of a part that could not run anything as asked."""
_LOOKS = 0.5
_KINDS = ("passed", "failed", "error", "known defect", "skipped")


def jobs_of(arguments: Sequence[str]) -> tuple[int, list[str]]:
    """How many runs side by side (`-j N`, `--jobs N`, `--jobs=N`; 1 when not said), and the other arguments."""
    rest, jobs, said = [], "1", iter(arguments)
    for argument in said:
        if argument in ("-j", "--jobs"):
            jobs = next(said, "")
        elif argument.startswith("--jobs="):
            jobs = argument.removeprefix("--jobs=")
        elif argument.startswith("-j") and argument[2:].isdigit():
            jobs = argument[2:]
        else:
            rest.append(argument)
    if not jobs.isdigit() or int(jobs) < 1:
        raise UsageError(f"-j {jobs}: say how many runs side by side, a whole number from 1 on")
    return int(jobs), rest


def run(command: Sequence[str], settings: Settings, jobs: int) -> int:
    """Run all parts, then what must run alone; put their results together. behave's exit status.

    Ctrl-C and SIGTERM end the parts that run, and no other one begins.
    """
    begun = time.monotonic()
    held = hold(settings.log_dir)
    folder = settings.log_dir / _PARTS
    shutil.rmtree(folder, ignore_errors=True)
    interrupted = threading.Event()
    statuses = _side_by_side(command, folder, [Part(number, jobs) for number in range(1, jobs + 1)], interrupted)
    if all(status == REFUSED for status in statuses):
        return REFUSED
    put_off = of_parts(folder)
    if interrupted.is_set():
        statuses.append(1)
    else:
        places = tuple(one.location for one in put_off)
        statuses += _side_by_side(command, folder, [Part(0, jobs, places)], interrupted)
    statuses.append(_settle(put_off, folder / "0"))
    _put_together(folder, settings)
    held.close()
    _tell(settings.log_dir, time.monotonic() - begun)
    return max((status for status in statuses if status != NOTHING), default=0)


def _side_by_side(
    command: Sequence[str], folder: Path, parts: Sequence[Part], interrupted: threading.Event
) -> list[int]:
    """Their statuses. interrupted: set when somebody wants the run to end."""

    def end() -> None:
        interrupted.set()
        _pass_on(running)

    running = [_start(command, folder, part) for part in parts]
    refusals = set[str]()
    readers = [
        threading.Thread(target=_repeat, args=(process, part, refusals))
        for process, part in zip(running, parts, strict=True)
    ]
    for reader in readers:
        reader.start()
    ask_to_end = signal.signal(signal.SIGTERM, lambda number, frame: end())
    try:
        return [_status(process) for process in running]
    except KeyboardInterrupt:
        end()
        return [_status(process) for process in running]
    finally:
        for reader in readers:
            reader.join()
        signal.signal(signal.SIGTERM, ask_to_end)


def _start(command: Sequence[str], folder: Path, part: Part) -> subprocess.Popen[str]:
    own = folder / str(part.number)
    argv = ends_with_us([*command, "--no-summary", "--no-skipped", "-D", f"log_dir={own}"])
    environment = os.environ | {VARIABLE: str(part)}
    return subprocess.Popen(
        argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


def _repeat(process: subprocess.Popen[str], part: Part, refusals: set[str]) -> None:
    """What a part says, each line with its number; why nothing can be run only once, since all parts say it."""
    assert process.stdout
    for line in process.stdout:
        if line.startswith("specs: "):
            if line not in refusals:
                refusals.add(line)
                sys.stderr.write(line)
        elif line.strip() and not line.startswith("USING RUNNER"):
            sys.stdout.write(f"{part.number}| {line}")
            sys.stdout.flush()


def _status(process: subprocess.Popen[str]) -> int:
    """When it has ended. The kernel may give a signal to any thread, of libraries too: who waits here without a break
    for a process does not see it before that ends."""
    while process.poll() is None:
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=_LOOKS)
    return process.returncode if process.returncode >= 0 else 1


def _pass_on(running: Sequence[subprocess.Popen[str]]) -> None:
    for process in running:
        if process.poll() is None:
            process.terminate()


def _settle(put_off: Sequence[PutOff], again: Path) -> int:
    """Of what was put off and has run again only that counts; 1 when something has not. again: the part of those."""
    ran = {told["name"] for _, told in results_of(again)}
    for one in put_off:
        if one.name in ran:
            one.forget()
        else:
            print(f"specs: this was put off, and did not run again: {one.location} {one.name}", file=sys.stderr)
    return int(any(one.name not in ran for one in put_off))


def _put_together(folder: Path, settings: Settings) -> None:
    """Move what the parts have written to where an undivided run writes it, and build the pages."""
    log_dir = settings.log_dir
    if not folder.is_dir():
        print("specs: no report: the run was ended before anything was recorded", file=sys.stderr)
        return
    for name in ("allure-results", "evidence", "junit", "deployments"):
        shutil.rmtree(log_dir / name, ignore_errors=True)
    for part in sorted(folder.iterdir()):
        for name in ("allure-results", "evidence"):
            _move(part / name, log_dir / name)
        _move(part / "junit", log_dir / "junit", mark=f".{part.name}")
        _move(part / "deployments", log_dir / "deployments", mark=f".{part.name}")
        facts = log_dir / "allure-results" / "environment.properties"
        if facts.exists():
            facts.write_text(facts.read_text().replace(str(part), str(log_dir)))
    shutil.rmtree(folder)
    try:
        print(f"report: {build(log_dir / 'allure-results', log_dir / 'report.html')}")
        if loads := write_summary(log_dir):
            print(f"loads: {loads}")
    except (SpecsError, OSError) as error:
        print(f"specs: no report: {error}", file=sys.stderr)


def _move(source: Path, target: Path, *, mark: str = "") -> None:
    """Everything in a folder into another one. mark: put between the stem and the suffix of each name."""
    target.mkdir(parents=True, exist_ok=True)
    for entry in sorted(source.iterdir()) if source.is_dir() else []:
        goal = target / f"{entry.stem}{mark}{entry.suffix}"
        number = 1
        while goal.exists() and goal.name != "environment.properties":
            number += 1
            goal = target / f"{entry.stem}{mark}-{number}{entry.suffix}"
        entry.replace(goal)


def _tell(log_dir: Path, seconds: float) -> None:
    """As behave tells the end of a run."""
    results = [told for _, told in results_of(log_dir)]
    kinds = Counter(_kind(result) for result in results)
    for kind, title in (("failed", "Failing"), ("error", "Errored")):
        if names := sorted(result["name"] for result in results if _kind(result) == kind):
            print(f"\n{title} scenarios:", *(f"  {name}" for name in names), sep="\n")
    if kinds["known defect"]:
        print(f"\nKnown defects of Dynamo that failed as expected: {kinds['known defect']}")
    told = ", ".join(f"{kinds[kind]} {kind}" for kind in _KINDS)
    print(f"\n{len(results)} scenarios: {told}\nTook {int(seconds // 60)}min {seconds % 60:.3f}s")


def _kind(result: Mapping[str, Any]) -> str:
    verdict = verdict_of(result)
    return verdict if verdict in _KINDS else "error"
