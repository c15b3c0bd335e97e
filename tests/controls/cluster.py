"""Negative controls of what a cluster does to pods."""

from __future__ import annotations

from tests.controls.suite import Area, Control

DELETED = "A worker whose pod is deleted costs no request"
BUDGET = "Workers are evicted only as far as others can serve, and nobody notices"
UPGRADE = "An upgrade to an image that nobody has leaves those who serve in place"
NO_API = "An API server that is away for a minute costs no request"

_WITHIN = 300
"""Seconds; a cluster takes its time to make namespaces and to take them away."""

FAIL = [
    Control(
        "kills-first",
        DELETED,
        "Then every request is answered in full",
        r"SuccessRateChecker: BROKEN: ",
    )
]
ERRORS = [
    Control(
        "deletes-nothing",
        DELETED,
        "When the pod of one worker is deleted under this load",
        r"the pod vllm-worker-\d is still there, 15 s after it was to go",
    ),
    Control(
        "keeps-no-budget",
        BUDGET,
        "When the pods of all workers are evicted as far as that is allowed under this load",
        r"no disruption budget has stood in the way when vllm-worker-0, vllm-worker-1 were evicted",
    ),
    Control(
        "upgrades-nothing",
        UPGRADE,
        "When all workers are upgraded one by one to an image that nobody has under this load",
        r"the cluster says why it cannot upgrade vllm-worker-0, vllm-worker-1: not within 15 s",
    ),
    Control(
        "leaves-the-api",
        NO_API,
        "When the cluster's API server is away for 60 seconds under this load",
        r"the API server was to be away, and answers",
    ),
]


def area(*settings: str) -> Area:
    """settings: of the run, that say which cluster, and by which image."""
    return Area("cluster", program="tests.broken_cluster", fail=FAIL, errors=ERRORS, settings=settings, within=_WITHIN)
