"""A storm: many clients at once of whom about half leave; what the others must have, and how soon each request ends."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from support.checkers import NoHungRequestChecker, NoTokenLostChecker, SuccessRateChecker
from support.counts import CANCELLATIONS, CANCELLED, REQUESTS, SUCCEEDED, WORKER_CANCELLATIONS
from support.errors import DeploymentError, FaultError
from support.promises import MEASURED, expect_count, expect_of_load
from support.results.read import LEFT
from support.sampling import samples
from support.scenarios import Load
from support.waiting import eventually, scaled
from support.world import World

SEED = 45
"""By which 40 of 80 leave, about as many at each of two workers that serve in turn."""


def storm(world: World, *, clients: int, tokens: int, rate: int) -> None:
    """So many clients ask, at random times; about half of them leave, each after 1 token to half of them all.

    Returns when every request has ended. FaultError when nobody left, or not all that were to left in the middle.
    """
    world.begin_load(
        Load(
            rate=rate,
            requests=clients,
            max_tokens=tokens,
            leaving=0.5,
            leaving_after=f"uniform 1 {tokens // 2}",
            seed=SEED,
        )
    )
    seen = world.loaded().results
    whole_after = (tokens - 1) / world.deployment.spec.tokens_per_second
    late = _late(seen.frame, whole_after)
    if late or not seen.overall.left:
        raise FaultError(
            f"{seen.overall.left} clients left, {late} that were to leave were still there when the engine had"
            " generated all of their answers: nothing can be judged (is this machine too busy?)"
        )
    world.note("clients that left", f"{seen.overall.left} of {seen.overall.requests}")


def _late(frame: pl.LazyFrame, whole_after: float) -> int:
    """Those that were to leave and saw the end, or left only so many seconds after their first token: their worker was
    done by then, as the engine keeps its pace whoever reads."""
    whole = pl.col("end") - pl.col("first_token") >= whole_after
    late = pl.col("leaves_after").is_not_null() & ((pl.col("status") == "completed") | (LEFT & whole))
    return int(frame.select(late.sum()).collect().item())


def expect_others_served(world: World) -> None:
    """Who did not leave had the whole answer, token by token, and who left had it so far."""
    expect_of_load(world, SuccessRateChecker(), NoTokenLostChecker(), NoHungRequestChecker())


def expect_aborted(world: World, *, within: float) -> None:
    """A worker ended each request that was left so many seconds after its client had hung up at most, by its log."""
    left = _left(world)

    def all_told() -> Mapping[str, float]:
        told = world.deployment.aborted()
        lacking = [one for one in left if one not in told]
        assert not lacking, f"{len(lacking)} of {len(left)} were not: {', '.join(lacking[:3])}"
        return told

    aborted = eventually(all_told, within=within, describe="every request that was left is ended by its worker")
    took = np.array([aborted[one] - at for one, at in left.items()])
    median, most = (float(value) for value in np.quantile(took, [0.5, 0.99], method="higher"))
    told = f"p50 {1000 * median:.1f} ms, p99 {1000 * most:.1f} ms, longest {1000 * took.max():.1f} ms of {took.size}"
    world.note("from a client's leaving to the end of its request at the worker", told)
    assert took.min() >= -MEASURED, f"a request was ended {-took.min():.3f} s before its client left ({told})"
    assert took.max() <= scaled(within), told


def expect_each_counted_once(world: World) -> None:
    """The frontend counts each of them once: as cancelled who left, as answered who stayed."""
    seen = world.loaded().results.overall
    expect_count(world, CANCELLATIONS, seen.left)
    world.note("cancellations that the workers counted", f"{world.counted(WORKER_CANCELLATIONS):g} of {seen.left}")
    for counter, expected in ((CANCELLED, seen.left), (SUCCEEDED, seen.completed), (REQUESTS, seen.requests)):
        counted = world.counted(counter)
        assert counted == expected, f"{counter.what}: {counted:g} were counted, not {expected}"


def expect_queue(world: World) -> None:
    """Some requests had to wait for a place at a worker. DeploymentError when none was seen to: it was not full."""
    queued = [one.value for one in samples(world.load.folder) if one.series == "queued"]
    most = max(queued, default=0.0)
    if not most:
        raise DeploymentError("nobody was seen to wait for a place: the workers were not full, nothing can be judged")
    world.note("requests that were seen to wait at one worker", f"up to {most:g}")


def _left(world: World) -> Mapping[str, float]:
    """When each of those who left hung up, in seconds since the epoch, by the request's id."""
    left = world.loaded().results.frame.filter(pl.col("outcome") == "left").select("request_id", "end").collect()
    return dict(left.iter_rows())
