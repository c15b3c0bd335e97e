"""As `tests.broken`, with etcd clusters, cuts and losses that are not what a scenario takes them for:

python -m tests.broken_etcd heals-early -n "The majority of etcd elects another leader" -D log_dir=/tmp/broken
"""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any
from unittest.mock import patch

from injector.agents.partition import Cut
from support.deployment import Component
from support.etcd import EtcdCluster
from support.local.deployment import LocalDeployment
from support.local.partition import LocalPartition
from support.spec import Role
from tests.broken import BREAKS, main, started_with
from tests.broken_migration import cuts_others


@contextmanager
def cuts_nobody() -> Iterator[None]:
    """The set of those who are cut off is empty."""
    inject = Cut.inject
    with patch.object(Cut, "inject", lambda cut: inject(replace(cut, peers=()))):
        yield


@contextmanager
def heals_early() -> Iterator[None]:
    """A cut is taken back when it has hardly begun."""
    cut = LocalPartition.cut

    def for_a_moment(partition: LocalPartition) -> None:
        cut(partition)
        threading.Timer(1.0, partition.mend).start()

    with patch.object(LocalPartition, "cut", for_a_moment):
        yield


@contextmanager
def takes_a_follower_for_the_leader() -> Iterator[None]:
    """Whoever looks for the etcd leader is shown another member, so that the leader stays what it is."""
    leader = EtcdCluster.leader

    def follower(cluster: EtcdCluster) -> Component:
        return next(member for member in cluster.members if member is not leader(cluster))

    with patch.object(EtcdCluster, "leader", follower):
        yield


@contextmanager
def freezes_who_comes() -> Iterator[None]:
    """A worker that is added is frozen before it has begun."""
    add = LocalDeployment.add

    def frozen(deployment: LocalDeployment, role: Role, **how: Any) -> Component:
        added = add(deployment, role, **how)
        added.pause()
        return added

    with patch.object(LocalDeployment, "add", frozen):
        yield


BREAKS |= {
    "freezes-who-comes": freezes_who_comes,
    "cuts-others": cuts_others,
    "cuts-nobody": cuts_nobody,
    "heals-early": heals_early,
    "one-posing-as-three": partial(started_with, etcd_members=1),
    "takes-a-follower-for-the-leader": takes_a_follower_for_the_leader,
    "fills-nothing": partial(patch.object, EtcdCluster, "fill", lambda cluster: 0),
    "forgets-nothing": partial(patch.object, EtcdCluster, "compact", lambda cluster: 1),
    "says-something-else": partial(patch, "support.discovery.LOST", re.compile("Lost in thought")),
    "starts-nothing-again": partial(started_with, restart="never"),
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
