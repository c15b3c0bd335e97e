"""An etcd cluster as its members tell of it, and what is done to it on purpose."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import patch

import pytest

import support.etcd
from injector.agents.partition import Obstruction
from support.deployment import Component, Deployment
from support.errors import DeploymentError, UsageError
from support.etcd import EtcdCluster, Line, Status
from support.etcd_looks import look_at
from support.faults import Fault, Stage, kind
from support.faults.journal import Journal
from support.faults.no_space import NoSpace
from support.faults.replace_member import MemberReplaced
from support.victims import victims
from support.waiting import eventually
from tests.in_lab import in_lab, lab_process, target
from tests.test_scaling import deployed


@pytest.fixture(scope="module", autouse=True)
def in_one_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with lab_process(tmp_path_factory.mktemp("lab")):
        yield


def agreed(cluster: EtcdCluster) -> None:
    eventually(lambda: not cluster.differences(), within=10, describe="agree", last_seen=cluster.differences)


@in_lab
def test_who_leads_is_found_and_another_one_after_it() -> None:
    with deployed(workers=0, etcd_members=3) as deployment:
        cluster = EtcdCluster(deployment)
        agreed(cluster)
        (old,) = victims(deployment, "the etcd leader")
        assert {one.name for one in victims(deployment, "both etcd followers")} == (
            {"etcd-0", "etcd-1", "etcd-2"} - {old.name}
        )
        term = cluster.status(old).term
        old.kill()
        new = cluster.leader()
        assert new is not old
        assert cluster.status(new).term > term
        assert cluster.differences() == f"{old.name} does not answer"
        with pytest.raises(ConnectionError, match=rf"{old.name} does not answer: "):
            cluster.status(old)
        old.restart()
        agreed(cluster)


@in_lab
def test_leadership_is_handed_over_by_who_has_it() -> None:
    with deployed(workers=0, etcd_members=3) as deployment:
        cluster = EtcdCluster(deployment)
        old = cluster.leader()
        cluster.let_another_lead(old)
        new = cluster.leader()
        assert new is not old
        cluster.let_another_lead(old)
        assert cluster.leader() is new
        agreed(cluster)
    with deployed(workers=0) as alone:
        cluster = EtcdCluster(alone)
        with pytest.raises(DeploymentError, match="no other etcd member than etcd-0 answers: nobody else can lead"):
            cluster.let_another_lead(cluster.leader())


@in_lab
def test_a_leader_that_is_cut_off_has_no_say() -> None:
    with deployed(workers=0, etcd_members=3) as deployment:
        cluster = EtcdCluster(deployment)
        old = cluster.leader()
        others = [one for one in cluster.members if one is not old]
        cut = deployment.partition([old], others, Obstruction(), seconds=30)
        cut.cut()
        assert "packets stopped" in cut.proof()
        eventually(lambda: not cluster.agrees(old), within=5, describe=f"{old.name} falls silent")
        eventually(lambda: cluster.leader() in others, within=5, describe="another one leads")
        cut.mend()
        agreed(cluster)


@in_lab
def test_a_member_is_replaced_by_an_empty_one_that_then_holds_the_same() -> None:
    with deployed(workers=0, etcd_members=3) as deployment:
        cluster, journal = EtcdCluster(deployment), Journal(target())
        cluster.touch(5)
        before = cluster.belongs()
        journal.inject(*_fault(deployment, "replace_member", "etcd-1"))
        after = cluster.belongs()
        assert before["etcd-1"] != after["etcd-1"]
        assert {name: before[name] for name in ("etcd-0", "etcd-2")} == {n: after[n] for n in ("etcd-0", "etcd-2")}
        agreed(cluster)
        assert deployment.ailments() == ["etcd-1 was replaced"]


@in_lab
def test_a_change_of_members_that_was_done_without_an_answer_is_done() -> None:
    lost = []

    @contextmanager
    def losing_answers(member: Component) -> Iterator[Any]:
        def once(change: Callable[..., Any], *asked: Any) -> None:
            change(*asked)
            lost.append(member.name)
            raise ConnectionError(f"{member.name} does not answer")

        with asked(member) as client:
            stub = client.clusterstub
            yield SimpleNamespace(
                clusterstub=SimpleNamespace(
                    MemberList=stub.MemberList,
                    MemberRemove=partial(once, stub.MemberRemove),
                    MemberAdd=partial(once, stub.MemberAdd),
                )
            )

    asked = support.etcd._asked
    with deployed(workers=0, etcd_members=3) as deployment, patch("support.etcd._asked", losing_answers):
        cluster = EtcdCluster(deployment)
        deployment.replace_member(cluster.leader().name)
        assert len(lost) == 2
        assert len(cluster.belongs()) == 3


@in_lab
def test_a_cluster_runs_out_of_space_and_has_room_again() -> None:
    with deployed(workers=0, etcd_members=1, etcd_quota_mb=8) as deployment:
        cluster, journal = EtcdCluster(deployment), Journal(target())
        journal.inject(*_fault(deployment, "no_space", "etcd-0"))
        with pytest.raises(DeploymentError, match="no space left"):
            cluster.touch()
        deployment.component("etcd-0").wait_until_up()
        journal.heal()
        assert cluster.alarms() == []
        cluster.touch()


@in_lab
def test_room_is_made_on_a_member_that_is_behind() -> None:
    with deployed(workers=0, etcd_members=3, etcd_quota_mb=8) as deployment:
        cluster = EtcdCluster(deployment)
        cluster.fill()
        slow = cluster.followers()[0]
        others = [member for member in cluster.members if member is not slow]
        cut = deployment.partition([slow], others, Obstruction(), seconds=2)
        cut.cut()
        cluster.make_room()
        cut.mend()
        assert max(status.size for status in cluster.statuses().values()) < 1 << 20
        for _ in range(20):
            cluster.touch()
        assert cluster.alarms() == []


@in_lab
def test_history_can_be_forgotten() -> None:
    with deployed(workers=0) as deployment:
        Journal(target()).inject(*_fault(deployment, "compact", "etcd-0"))


@in_lab
def test_all_members_gone_with_or_without_their_data() -> None:
    with deployed(workers=0, etcd_members=3) as deployment:
        cluster, journal = EtcdCluster(deployment), Journal(target())
        cluster.touch(3)
        revision = cluster.status(cluster.leader()).revision
        journal.inject(*_fault(deployment, "gone", "every etcd member"))
        journal.heal()
        assert cluster.status(cluster.leader()).revision >= revision
        journal.inject(*_fault(deployment, "gone", "every etcd member", data="lost"))
        journal.heal()
        assert cluster.status(cluster.leader()).revision < revision


@in_lab
def test_what_cannot_be_done_to_etcd_is_said() -> None:
    with deployed(workers=0) as deployment:
        with pytest.raises(UsageError, match="etcd-0 cannot be replaced: only a member of an etcd cluster can"):
            deployment.replace_member("etcd-0")
        with pytest.raises(UsageError, match="etcd-0 runs: what it stores can be taken away when it has ended"):
            deployment.lose_data("etcd-0")
        with pytest.raises(UsageError, match="frontend-0 stores nothing: only etcd and nats do"):
            deployment.lose_data("frontend-0")
        with pytest.raises(UsageError, match="etcd has 2 GB of space in this deployment: give it a quota"):
            NoSpace(deployment, [deployment.component("etcd-0")]).inject()
        with pytest.raises(UsageError, match="frontend-0 cannot be replaced by an empty one: only etcd members can"):
            MemberReplaced(deployment, [deployment.frontend])
        with pytest.raises(UsageError, match="no component 'etcd-7' in this deployment: it has etcd-0, "):
            victims(deployment, "etcd-7")
        with pytest.raises(UsageError, match="only etcd members are leader"):
            victims(deployment, "the worker leader")
        with pytest.raises(DeploymentError, match="etcd-9 does not belong to the etcd cluster: it has etcd-0"):
            EtcdCluster(deployment).forget("etcd-9")


def _fault(deployment: Deployment, what: str, whom: str, **parameters: str) -> list[Fault]:
    stage = Stage(deployment, None, Path())  # none of these keeps records
    return list(kind(what).of(stage, victims(deployment, whom), parameters))


class Said(EtcdCluster):
    """A cluster of three whose members say and hold what they are told to."""

    def __init__(self, leaders: dict[str, int], held: dict[str, dict[bytes, tuple[int, bytes]]]) -> None:
        self._members = [_Named(name) for name in leaders]
        self._leaders, self._held = leaders, held

    @property
    def members(self) -> list[Component]:
        return self._members  # type: ignore[return-value]  # only their names are looked at

    def status(self, member: Component) -> Status:
        return Status(int(member.name[-1]), "3.5", self._leaders[member.name], 2, 7, 0)

    def content(self, member: Component) -> tuple[int, dict[bytes, tuple[int, bytes]]]:
        return 7, self._held[member.name]


class _Named:
    def __init__(self, name: str) -> None:
        self.name = name


SAME = {f"etcd-{n}": {b"key": (3, b"value")} for n in range(3)}


@pytest.mark.parametrize(
    ("leaders", "held", "said"),
    [
        ([1, 1, 1], SAME, ""),
        ([1, 1, 2], SAME, "they take 2 different ones for their leader"),
        ([0, 0, 0], SAME, "they take 1 different ones for their leader"),
        (
            [1, 1, 1],
            SAME | {"etcd-2": {b"key": (3, b"other")}},
            "etcd-2 holds other data at the same revision: etcd's own fault, not Dynamo's",
        ),
    ],
)
def test_what_members_differ_in(leaders: list[int], held: dict[str, dict[bytes, tuple[int, bytes]]], said: str) -> None:
    assert Said({f"etcd-{n}": leader for n, leader in enumerate(leaders)}, held).differences() == said


class _Telling:
    """A line to a member that agrees, and tells of itself what it is told to: before, and after."""

    def __init__(self, *told: Status) -> None:
        self._told = iter(told)

    def status(self) -> Status:
        return next(self._told)

    def agrees(self) -> bool:
        return True


def told(leader: int, term: int) -> Status:
    return Status(1, "3.5", leader, term, 7, 0)


@pytest.mark.parametrize(
    ("before", "after", "leads"),
    [
        (told(1, 2), told(1, 3), 3),
        (told(2, 2), told(1, 2), None),
        (told(0, 2), told(1, 2), None),
        (told(1, 2), told(2, 3), 2),
    ],
    ids=["its new term", "it took over meanwhile", "it was elected meanwhile", "it gave up meanwhile"],
)
def test_who_leads_is_not_told_of_two_terms_at_once(before: Status, after: Status, leads: int | None) -> None:
    look = look_at("etcd-1", cast(Line, _Telling(before, after)), clock_offset=0.0)
    assert (look.term if look.leads else None) == leads
