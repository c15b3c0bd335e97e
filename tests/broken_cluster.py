"""As `tests.broken`, on a cluster, with pods that go in other ways than a scenario asks for, or that do not go:

python -m tests.broken_cluster kills-first -t @vllm -n "A worker whose pod is deleted costs" -D target=kubernetes ...
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from types import ModuleType
from unittest.mock import patch

from support.deployment import Deployment
from support.faults import delete_pod, failing_rollout
from support.kubernetes_target.hosting import Hosting
from support.kubernetes_target.target import KubernetesTarget
from support.spec import DeploymentSpec
from tests.broken import BREAKS, main

_SEES_WITHIN = 15.0
"""Seconds for what will not be seen, so that a control need not wait for as long as a scenario."""
_ALL_BUT_THE_KEEPER = ("sh", "-c", "kill -9 -1")


@contextmanager
def kills_first() -> Iterator[None]:
    """Whatever grace a pod is to have, its process is killed at once; and no request is moved."""
    delete, deployment = Hosting.delete, KubernetesTarget.deployment

    def kill_and_delete(hosting: Hosting, pod: str, *, grace: int | None = None) -> None:
        session = hosting._cluster.execute(hosting.namespace, pod, _ALL_BUT_THE_KEEPER)
        session.run_forever(timeout=_SEES_WITHIN)
        delete(hosting, pod, grace=grace)

    def that_moves_nothing(target: KubernetesTarget, spec: DeploymentSpec) -> Deployment:
        return deployment(target, spec.but(migration_limit=0))

    with (
        patch.object(Hosting, "delete", kill_and_delete),
        patch.object(KubernetesTarget, "deployment", that_moves_nothing),
    ):
        yield


@contextmanager
def nothing_comes_of(verb: str, *waits: tuple[ModuleType, str]) -> Iterator[None]:
    """What is asked of the cluster by that method of `Hosting` does not happen, and nobody says so.

    waits: constants, by module and name, for as long as which something is awaited then.
    """
    with ExitStack() as broken:
        broken.enter_context(patch.object(Hosting, verb, lambda *what, **how: None))
        for module, name in waits:
            broken.enter_context(patch.object(module, name, _SEES_WITHIN))
        yield


BREAKS |= {
    "kills-first": kills_first,
    "deletes-nothing": partial(nothing_comes_of, "delete", (delete_pod, "GONE_WITHIN")),
    "keeps-no-budget": partial(nothing_comes_of, "keep"),
    "upgrades-nothing": partial(nothing_comes_of, "roll_out", (failing_rollout, "TOLD_WITHIN")),
    "leaves-the-api": partial(nothing_comes_of, "lose_api"),
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
