"""The testing guide's `client`: so many clients, so many requests each, and what became of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support.load.plan import Fixed, LoadPlan
from support.load.run import LoadRun
from support.records import Endpoint


def client(
    base_url: str,
    num_clients: int,
    requests_per_client: int,
    model: str,
    max_tokens: int,
    log_dir: str | Path,
    endpoint: Endpoint = "completions",
    *,
    stream: bool = True,
    prompt_tokens: int = 5,
    deadline: float = 60.0,
    seed: int = 0,
    shards: int = 1,
    continuity: bool = False,
) -> dict[str, Any]:
    """Send the load, wait for its end, and give its results, as `support.results.summary` does.

    log_dir: a new folder; every request is recorded there as it ends. deadline: seconds after which a request is given
    up. continuity: the counting engine answers, judge every token. UsageError for bad values.
    """
    from support.results import summary

    plan = LoadPlan(
        base_url=base_url,
        model=model,
        endpoint=endpoint,
        stream=stream,
        clients=num_clients,
        requests_per_client=requests_per_client,
        prompt_tokens=Fixed(prompt_tokens),
        max_tokens=Fixed(max_tokens),
        deadline=deadline,
        seed=seed,
        shards=shards,
        continuity=continuity,
    )
    run = LoadRun(plan, Path(log_dir))
    run.start()
    try:
        run.wait(within=deadline * requests_per_client + 10)
    finally:
        run.abort()
    return summary(Path(log_dir))
