"""The etcd cluster of a deployment as its members tell of it: who leads, who belongs to it, what each of them holds.

Each question goes to one member and is answered from what that member knows itself, also when it is cut off from the
others; so a minority that has not noticed is seen as such.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import grpc
import httpx
from etcd3.client import Etcd3Client
from etcd3.etcdrpc import rpc_pb2

from support.deployment import Component, Deployment
from support.errors import DeploymentError
from support.waiting import eventually, first_answer

T = TypeVar("T")

ANSWERS_WITHIN = 2.0
"""Seconds; a member without a quorum answers what it can answer by itself in milliseconds."""
AGREES_WITHIN = 0.5
"""Seconds; a majority is asked in milliseconds."""
CHANGES_WITHIN = 20.0
"""Seconds in which a cluster takes a change of its members: each must have been in reach for 5 s."""
ELECTED_WITHIN = 10.0
"""Seconds in which a cluster with a quorum has a leader (an election takes 1 to 2 s by default)."""


@dataclass(frozen=True)
class Status:
    """What one member says of itself."""

    member: int
    """Its id in the cluster."""
    version: str
    leader: int
    """Id of the member that leads, as far as it knows; 0 for nobody."""
    term: int
    revision: int
    """Of the newest change that it has."""
    size: int
    """Bytes of its database on disk."""


class EtcdCluster:
    """Of one deployment. Members are its components `etcd-0`, `etcd-1`, ...; those that do not answer are left out."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment

    @property
    def members(self) -> list[Component]:
        return self._deployment.of_role("etcd")

    def status(self, member: Component) -> Status:
        """ConnectionError when it does not answer."""
        with closing(Line(member)) as line:
            return line.status()

    def statuses(self) -> dict[Component, Status]:
        """Of the members that answer."""
        return {member: status for member in self.members if (status := self._status_or_none(member))}

    def leader(self) -> Component:
        """The one that takes itself for the leader and has a majority. DeploymentError when there is none in time."""
        found = eventually(
            self._leader,
            within=ELECTED_WITHIN,
            describe="the etcd members agree on who leads",
            error=DeploymentError,
            last_seen=lambda: str({member.name: status.leader for member, status in self.statuses().items()}),
        )
        assert found is not None
        return found

    def followers(self) -> list[Component]:
        """Members that answer and do not lead."""
        leader = self.leader()
        return [member for member in self.statuses() if member is not leader]

    def busiest(self) -> Component:
        """The member that keeps most leases of others alive: whoever speaks to it stakes its own life on it.

        Of those with equally many the first; a component keeps its lease alive by a stream to one member (1.4.2).
        """
        return max(self.statuses(), key=self.kept)

    def kept(self, member: Component) -> int:
        """Streams by which it keeps leases alive, now. ConnectionError."""
        labels = {"grpc_method": "LeaseKeepAlive"}
        scrape = member.metrics()
        begun = scrape.total("grpc_server_started_total", **labels)
        return int(begun - scrape.total("grpc_server_handled_total", **labels))

    def leaders(self) -> list[Component]:
        """Members that take themselves for the leader: two of them at once, while an old one has not noticed."""
        return [member for member, status in self.statuses().items() if status.leader == status.member]

    def _leader(self) -> Component | None:
        there = self.statuses()
        for member, status in there.items():
            votes = [one for one in there.values() if one.leader == status.member and one.term == status.term]
            if status.leader == status.member and 2 * len(votes) > len(self.members):
                return member
        return None

    def _status_or_none(self, member: Component) -> Status | None:
        with suppress(ConnectionError):
            return self.status(member)
        return None

    def belongs(self) -> dict[str, int]:
        """Members that the cluster counts, by name, and their ids, as its leader tells. ConnectionError."""
        return {one.name: one.ID for one in self._counted()}

    def _counted(self) -> list[Any]:
        with _asked(self.leader()) as client:
            return list(client.clusterstub.MemberList(rpc_pb2.MemberListRequest(), ANSWERS_WITHIN).members)

    def content(self, member: Component) -> tuple[int, dict[bytes, tuple[int, bytes]]]:
        """The revision that a member has, and what it holds: by key, when it was last changed (revision), and as what.

        From its own store, without asking the others. ConnectionError.
        """
        everything = rpc_pb2.RangeRequest(key=b"\0", range_end=b"\0", serializable=True)
        with _asked(member) as client:
            told = client.kvstub.Range(everything, ANSWERS_WITHIN)
        return told.header.revision, {each.key: (each.mod_revision, each.value) for each in told.kvs}

    def differences(self) -> str:
        """What members do not agree on, in words; empty when all are there, follow one leader and hold the same."""
        silent = [member.name for member in self.members if member not in (there := self.statuses())]
        if silent:
            return f"{', '.join(silent)} does not answer"
        leaders = {status.leader for status in there.values()}
        if len(leaders) != 1 or 0 in leaders:
            return f"they take {len(leaders)} different ones for their leader"
        held = {member.name: self.content(member) for member in self.members}
        if len({revision for revision, _ in held.values()}) != 1:
            return f"their revisions are {', '.join(f'{name}: {revision}' for name, (revision, _) in held.items())}"
        first = next(iter(held.values()))
        if other := [name for name, what in held.items() if what != first]:
            return f"{', '.join(other)} holds other data at the same revision: etcd's own fault, not Dynamo's"
        return ""

    # What operators do.

    def forget(self, name: str) -> None:
        """Take a member out of the cluster. DeploymentError when it does not belong to it, or is not let go."""
        there = self.belongs()
        if name not in there:
            raise DeploymentError(f"{name} does not belong to the etcd cluster: it has {', '.join(there)}")
        gone = there[name]
        self._change(
            "MemberRemove",
            rpc_pb2.MemberRemoveRequest(ID=gone),
            done=lambda: gone not in self.belongs().values(),
        )

    def expect(self, peer_url: str) -> None:
        """Let a new member join that will speak from there. DeploymentError when the cluster does not take it."""
        self._change(
            "MemberAdd",
            rpc_pb2.MemberAddRequest(peerURLs=[peer_url]),
            done=lambda: any(peer_url in one.peerURLs for one in self._counted()),
        )

    def _change(self, what: str, wanted: Any, done: Callable[[], bool]) -> None:
        """For some seconds after its start or a change a cluster refuses to be changed ("unhealthy cluster").

        A change may be done although no answer came, as when a leader takes itself out: done twice it is an error.
        """

        def changed() -> bool:
            if not done():
                with _asked(self.leader()) as client:
                    getattr(client.clusterstub, what)(wanted, ANSWERS_WITHIN)
            return True

        eventually(changed, within=CHANGES_WITHIN, describe=f"the etcd cluster does its {what}", error=DeploymentError)

    def let_another_lead(self, than: Component) -> None:
        """Leadership is handed over where that member has it. DeploymentError when nobody is there to take it, or takes
        it in time."""
        if self.leader() is not than:
            return
        others = self.followers()
        if not others:
            raise DeploymentError(f"no other etcd member than {than.name} answers: nobody else can lead")
        other = self.status(others[0]).member

        def handed_over() -> bool:
            if self.leader() is than:
                with _asked(than) as client:
                    client.maintenancestub.MoveLeader(rpc_pb2.MoveLeaderRequest(targetID=other), ANSWERS_WITHIN)
            return self.leader() is not than

        eventually(
            handed_over,
            within=ELECTED_WITHIN,
            describe=f"another etcd member than {than.name} leads",
            error=DeploymentError,
        )

    def fill(self, *, piece: int = 1 << 20, most: int = 1 << 28) -> int:
        """Store values until the cluster has no space left. Bytes stored. DeploymentError when there is no end."""
        for number in range(most // piece):
            put = partial(_put, key=f"dynamo-fault-specs/fill/{number}", value=b"0" * piece)
            if not self._of_leader("Put", put):
                return number * piece
        raise DeploymentError(f"etcd still has space after {most} bytes: give it a quota")

    def _of_leader(self, what: str, ask: Callable[[Any], T]) -> T:
        """What the leader answers, asked again when it is not told in time, as while another one is elected: for what
        may be done twice. DeploymentError when it never is."""

        def asked() -> T:
            with _asked(self.leader()) as client:
                return ask(client)

        return first_answer(
            asked, within=CHANGES_WITHIN, describe=f"etcd's leader does its {what}", error=DeploymentError
        )

    def alarms(self) -> list[Any]:
        """Alarms that are raised, one for each member (memberID) that raises it. DeploymentError."""
        return list(self._of_leader("Alarm", partial(_alarm, rpc_pb2.AlarmRequest())).alarms)

    def make_room(self) -> None:
        """Delete what `fill` stored, compact, defragment each member, and end the alarm.

        DeploymentError when a member has no room, or says so, after all.
        """
        full = self.status(self.leader()).size
        prefix = b"dynamo-fault-specs/fill/"
        filled = rpc_pb2.DeleteRangeRequest(key=prefix, range_end=prefix[:-1] + b"0")
        self._of_leader("DeleteRange", lambda to: to.kvstub.DeleteRange(filled, ANSWERS_WITHIN))
        self.compact()
        for member in self.members:
            self._defragment(member, below=full // 2)
        eventually(
            self._end_alarms,
            within=CHANGES_WITHIN,
            describe="no etcd member says that it is out of space",
            error=DeploymentError,
        )

    def _defragment(self, member: Component, *, below: int) -> None:
        """Until it is smaller than so many bytes: one that is behind has nothing yet to give back."""

        def smaller() -> bool:
            with _asked(member) as client:
                client.maintenancestub.Defragment(rpc_pb2.DefragmentRequest(), 5 * ANSWERS_WITHIN)
            return self.status(member).size < below

        eventually(
            smaller,
            within=CHANGES_WITHIN,
            describe=f"{member.name} has given back what was deleted",
            error=DeploymentError,
        )

    def _end_alarms(self) -> bool:
        """True when none was left to be ended: a member may raise its own late."""
        raised_by_members = self.alarms()
        for raised in raised_by_members:
            ends = rpc_pb2.AlarmRequest(
                action=rpc_pb2.AlarmRequest.DEACTIVATE, memberID=raised.memberID, alarm=raised.alarm
            )
            self._of_leader("Alarm", partial(_alarm, ends))
        return not raised_by_members

    def compact(self) -> int:
        """Forget the history up to now; returns the revision up to which. DeploymentError."""
        revision = self.status(self.leader()).revision

        def forget(to: Any) -> None:
            try:
                to.kvstub.Compact(rpc_pb2.CompactionRequest(revision=revision, physical=True), ANSWERS_WITHIN)
            except grpc.RpcError as refused:
                if "compacted" not in str(refused.details()):  # done before, without an answer
                    raise

        self._of_leader("Compact", forget)
        return revision

    def remembers(self, revision: int) -> bool:
        """Whether what was there at that revision can still be read. ConnectionError."""
        try:
            with _asked(self.leader()) as client:
                client.kvstub.Range(rpc_pb2.RangeRequest(key=b"any", revision=revision), ANSWERS_WITHIN)
        except ConnectionError as failure:
            if "compacted" in str(failure):
                return False
            raise
        return True

    def agrees(self, member: Component) -> bool:
        """Whether a member can be read with the consent of a majority: one that cannot gives nobody old news."""
        with closing(Line(member)) as line:
            return line.agrees()

    def touch(self, times: int = 1) -> None:
        """Change a key of our own so often: revisions grow, as they do in a cluster that others use too."""

        def put(to: Any) -> bool:
            return all(_put(to, key="dynamo-fault-specs/touch", value=b"%d" % number) for number in range(times))

        if not self._of_leader("Put", put):
            raise DeploymentError("etcd has no space left")


def _alarm(asked: Any, client: Any) -> Any:
    return client.maintenancestub.Alarm(asked, ANSWERS_WITHIN)


def _put(client: Any, *, key: str, value: bytes) -> bool:
    """False when there is no space for it."""
    try:
        client.kvstub.Put(rpc_pb2.PutRequest(key=key.encode(), value=value), ANSWERS_WITHIN)
    except grpc.RpcError as refused:
        if refused.code() == grpc.StatusCode.RESOURCE_EXHAUSTED:
            return False
        raise
    return True


class Line:
    """To one member, for many questions: a connection is kept as long as it answers, and then made anew."""

    def __init__(self, member: Component) -> None:
        self._member = member
        self._client: Any = None

    def status(self) -> Status:
        """What it says of itself. ConnectionError when it does not answer."""
        with self.asked() as client:
            told = client.maintenancestub.Status(rpc_pb2.StatusRequest(), ANSWERS_WITHIN)
        header = told.header
        return Status(header.member_id, told.version, told.leader, header.raft_term, header.revision, told.dbSize)

    def agrees(self) -> bool:
        """Whether it can be read with the consent of a majority."""
        with suppress(ConnectionError), self.asked() as client:
            client.kvstub.Range(rpc_pb2.RangeRequest(key=b"any"), AGREES_WITHIN)
            return True
        return False

    def left(self, lease: int) -> tuple[int, int]:
        """The term in which it answers, and the whole seconds that a lease has left if it is not renewed; -1 for one
        that is over. ConnectionError."""
        with self.asked() as client:
            told = client.leasestub.LeaseTimeToLive(rpc_pb2.LeaseTimeToLiveRequest(ID=lease), ANSWERS_WITHIN)
        return int(told.header.raft_term), int(told.TTL)

    @contextmanager
    def asked(self) -> Iterator[Any]:
        """Its client. What gRPC raises becomes a ConnectionError that names the member."""
        if self._client is None:
            told = httpx.URL(self._member.metrics_url)  # a member tells its metrics where it answers its clients
            self._client = Etcd3Client(host=told.host, port=told.port, timeout=ANSWERS_WITHIN)
        try:
            yield self._client
        except grpc.RpcError as failure:
            self.close()
            words = f"{failure.code().name}: {failure.details()}"
            raise ConnectionError(f"{self._member.name} does not answer: {words}") from failure

    def close(self) -> None:
        """End the connection; the next question makes another one."""
        if self._client is not None:
            self._client.close()
            self._client = None


@contextmanager
def _asked(member: Component) -> Iterator[Any]:
    """A client of one member for one question."""
    with closing(Line(member)) as line, line.asked() as client:
        yield client
