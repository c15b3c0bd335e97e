"""Promises about discovery: that etcd's members agree, whom frontends know, and why parts of Dynamo end."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import datetime
from typing import TYPE_CHECKING

from support.deployment import WRITTEN_WITHIN, Component
from support.errors import NotWithin, UsageError
from support.leases import OUTLIVES, Leases
from support.report.timeline import FaultMark
from support.spec import GENERATING, Role
from support.waiting import consistently, eventually
from support.world import World

if TYPE_CHECKING:
    from support.etcd import EtcdCluster

LOST = re.compile(r"Unable to (maintain|create) lease|Internal etcd error|Unable to register service for discovery")
"""What a part of Dynamo logs before it ends because of etcd (1.3.1 to 1.4.2): the first one while it serves, the others
while it starts."""
_TAKEN = re.compile(r"^(\S+Z) .*push_handler: request received", re.MULTILINE)
SETTLED_WITHIN = 5.0
"""Seconds that the frontends' lists may take after the load."""


def let_busiest_follow(world: World) -> None:
    """The etcd member that keeps most leases alive does not lead. One that leads and is cut off knows so in a second;
    the others then give every lease its full time again, in which whoever leans on it can go elsewhere."""
    cluster = _etcd(world)
    cluster.let_another_lead(cluster.busiest())


def expect_agreement(world: World, *, within: float) -> None:
    """All etcd members answer, follow one leader, and hold the same data at the same revision."""
    cluster = _etcd(world)

    def agree() -> bool:
        difference = cluster.differences()
        assert not difference, difference
        return True

    begun = time.monotonic()
    eventually(agree, within=within, describe="the etcd members agree")
    world.note("the etcd members agreed after", f"{time.monotonic() - begun:.1f} s")


def expect_whole(world: World) -> None:
    """Every frontend and worker is the process that was started, also when a lease has run out since the last fault,
    and each frontend routes to every worker."""
    _expect_standing(world, "frontend", *GENERATING)

    def nothing_lacks() -> bool:
        lacking = world.deployment.lacking()
        assert not lacking, "; ".join(lacking)
        return True

    eventually(nothing_lacks, within=SETTLED_WITHIN, describe="every frontend routes to every worker")


def expect_standing_workers(world: World) -> None:
    """Every worker is the process that was started, also when a lease has run out since the last fault."""
    _expect_standing(world, *GENERATING)


def expect_reasons(world: World) -> None:
    """Whatever frontend or worker has ended by itself, also when a lease has run out since the last fault, has said
    before that it lost etcd."""
    _outlive(world, lambda: True)
    parts = _parts(world)
    ended = [name for name in world.deployment.casualties() if name in parts]

    def all_said() -> bool:
        silent = [name for name in ended if not LOST.search(parts[name].logs())]
        assert not silent, f"{', '.join(silent)} ended without a word on etcd"
        return True

    eventually(all_said, within=WRITTEN_WITHIN, describe="who has ended has said that it lost etcd")
    world.note("ended because they lost etcd", ", ".join(ended) or "none")
    world.explained |= set(ended)


def expect_all_ended(world: World, *, within: float) -> None:
    """So many seconds after what was done each frontend and worker has ended, and has said why."""
    parts = _parts(world)
    left = within - (time.monotonic() - world.struck_at)

    def ended() -> bool:
        running = [name for name, one in parts.items() if one.running]
        assert not running, f"{', '.join(running)} still runs"
        return True

    eventually(ended, within=left, describe="the frontend and every worker have ended")
    world.note("the last one had ended after", f"{time.monotonic() - world.struck_at:.1f} s")
    expect_reasons(world)


def go_on_until_served(world: World, *, within: float) -> None:
    """Let the load go on until requests are answered as before, at most so long after the last fault was taken back.

    Where what ends is started again, that is judged when each part has renewed its lease since, or a lease has run out:
    until then a frontend may end.
    """
    now = time.monotonic()
    ended = _last_healed(world).ended_at or now
    if world.deployment.spec.restart == "always":
        with closing(Leases(world.deployment)) as leases:
            world.load.last(_left_of_leases(ended), until=leases.renewed)
        now = time.monotonic()
    world.recovered(within=max(within - (now - ended), 0.0), since=now)


def await_new_start(world: World, name: str, *, within: float) -> None:
    """So long after the last fault was taken back that component has ended, and has been started anew."""
    component, ended = world.deployment.component(name), _last_healed(world).ended_at or 0.0
    left = within - (time.monotonic() - ended)
    eventually(
        lambda: component.ends and component.running,
        within=max(left, 0.0),
        describe=f"{name} has ended and was started anew",
        last_seen=lambda: f"it ended with {component.ends or 'nothing'}, and runs: {component.running}",
    )
    world.note(f"{name} was started anew", f"{time.monotonic() - ended:.1f} s after the end")


def go_on_until_listed(world: World, workers: int, *, within: float) -> None:
    """Let the load go on until the frontend lists so many workers, at most so long after the last fault's end."""
    mark = _last_healed(world)
    left = within - (time.monotonic() - (mark.ended_at or mark.began_at))
    with suppress(NotWithin):  # what was seen is for the checker to say
        eventually(lambda: _listed(world) == workers, within=max(left, 0), describe=f"{workers} workers are listed")


def expect_newcomer(world: World, *, within: float) -> None:
    """The worker that was started while it could not be found takes requests, so long after that was over."""
    newcomer, ended = _newcomer(world), _last_healed(world).ended_at or 0.0
    left = within - (time.monotonic() - ended)
    first = eventually(lambda: _first_taken(newcomer), within=max(left, 0), describe=f"{newcomer.name} takes a request")
    assert first is not None
    world.note("the new worker took its first request", f"{first - ended:.1f} s after the end")


def expect_newcomer_unknown(world: World) -> None:
    """The new worker had no request before what kept it from being found was over."""
    newcomer, end = _newcomer(world), _last_healed(world).healing_at or 0.0
    first = _first_taken(newcomer)
    assert first is None or first >= end, f"{newcomer.name} took a request {end - first:.1f} s before the end"


def _etcd(world: World) -> EtcdCluster:
    from support.etcd import EtcdCluster  # gRPC takes 0.1 s, which only its scenarios should cost

    return EtcdCluster(world.deployment)


def _outlive(world: World, probe: Callable[[], bool]) -> None:
    """The load is over, and the probe holds until each part has renewed its lease since the last fault, or has had
    the time to notice that it lost it."""
    if world.under_load:
        world.loaded()
    over = max((mark.ended_at or mark.began_at for mark in world.journal.marks), default=time.monotonic())
    with closing(Leases(world.deployment)) as leases:
        consistently(
            probe,
            during=_left_of_leases(over),
            until=leases.renewed,
            describe="the frontend and every worker are there",
            interval=0.2,
        )


def _left_of_leases(over: float) -> float:
    """Seconds until whoever lost a lease by a fault that was over then (CLOCK_MONOTONIC) has noticed."""
    return max(over + OUTLIVES - time.monotonic(), 0.0)


def _listed(world: World) -> int | None:
    with suppress(ConnectionError):
        return len(world.deployment.instances())
    return None


def _expect_standing(world: World, *roles: Role) -> None:
    names = {one.name for one in world.deployment.of_role(*roles)}

    def stands() -> bool:
        gone = {name: what for name, what in world.deployment.casualties().items() if name in names}
        world.explained |= set(gone)
        assert not gone, "; ".join(f"{name} {what}" for name, what in gone.items())
        return True

    _outlive(world, stands)


def _parts(world: World) -> dict[str, Component]:
    return {one.name: one for one in world.deployment.of_role("frontend", *GENERATING)}


def _last_healed(world: World) -> FaultMark:
    healed = [mark for mark in world.journal.marks if mark.ended_at is not None]
    if not healed:
        raise UsageError("nothing was taken back yet: say for how long it lasts")
    return max(healed, key=lambda mark: mark.ended_at or 0.0)


def _newcomer(world: World) -> Component:
    names = [mark.target for mark in world.journal.marks if mark.name == "started"]
    if not names:
        raise UsageError("no worker was started in this scenario: say that one joins")
    return world.deployment.component(names[-1])


def _first_taken(worker: Component) -> float | None:
    """When it took its first request (CLOCK_MONOTONIC), by its own log; None when it has taken none."""
    taken = _TAKEN.search(worker.logs())
    return datetime.fromisoformat(taken[1]).timestamp() - time.time() + time.monotonic() if taken else None
