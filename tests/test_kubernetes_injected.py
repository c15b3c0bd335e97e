"""What the suite asks the injection service of a cluster for; the service and the API server are fakes."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from injector.agents.partition import Obstruction
from support.errors import FaultError, Unavailable
from support.injection import InjectionService
from support.kubernetes_target.injection import ClusterInjection, InjectedPartition
from tests.serving import Exchange, HttpServer
from tests.test_kubernetes_cluster import cluster

SECRET = "GET /api/v1/namespaces/dynamo-faults/secrets/fault-injection-tokens"


class FakeInjectionService(HttpServer):
    """Knows one fault, which is as `state` says."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, Any]] = []
        self.state = "ACTIVE"

    async def answer(self, exchange: Exchange) -> None:
        self.asked.append((f"{exchange.method} {exchange.target}", json.loads(exchange.body or b"null")))
        told = {"id": "one", "namespace": "mine", "state": self.state, "evidence": ["seen"], "simulated": False}
        await exchange.start(200, "application/json")
        listed = [told, told | {"namespace": "another"}] if exchange.target.endswith("/faults") else told
        await exchange.end(json.dumps(listed).encode())


def named(*names: str) -> Any:
    return [SimpleNamespace(name=name) for name in names]


def test_a_partition_is_asked_for_by_name_and_taken_back() -> None:
    fake = FakeInjectionService()
    with fake as url:
        service = InjectionService(url, namespace="mine")
        cut = InjectedPartition(service, named("a"), named("b", "c"), Obstruction("reject"), seconds=9)
        cut.mend()
        with pytest.raises(FaultError, match="nothing was cut yet"):
            cut.proof()
        assert fake.asked == []
        cut.cut()
        assert cut.proof() == "seen"
        fake.state = "EXPIRED"
        with pytest.raises(FaultError, match="the partition one is EXPIRED: seen"):
            cut.proof()
        cut.mend()
        cut.mend()
        assert [one.id for one in service.active()] == ["one"], "what is in another namespace is not ours"
        service.close()
    api = "/api/v1/faults"
    asked = {
        "partition_type": "CUSTOM",
        "duration_seconds": 9,
        "source": ["a"],
        "target": ["b", "c"],
        "action": "REJECT",
        "direction": "BOTH",
        "loss_percent": 100,
        "allow_last_worker": True,
        "namespace": "mine",
    }
    looks = (f"GET {api}/one", None)
    assert fake.asked == [
        (f"POST {api}/network/inject", asked),
        looks,
        looks,
        (f"POST {api}/one/recover", None),
        (f"GET {api}", None),
    ]


@pytest.mark.parametrize(
    ("how", "asked"),
    [
        (Obstruction(loss=30, direction="in"), {"loss_percent": 30, "direction": "IN"}),
        (Obstruction(bytes_per_second=500), {"bandwidth_mbit": 0.004}),
    ],
)
def test_a_part_of_the_packets(how: Obstruction, asked: dict[str, Any]) -> None:
    fake = FakeInjectionService()
    with fake as url:
        service = InjectionService(url)
        InjectedPartition(service, named("a"), named("b"), how, seconds=9).cut()
        service.close()
    assert fake.asked[0][1].items() >= asked.items()


def test_where_it_is_not_installed_faults_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        cluster({}, tmp_path, monkeypatch) as asked,
        pytest.raises(Unavailable, match=r"no injection service is installed on this cluster: docs/injection\.md"),
    ):
        ClusterInjection(asked, "mine")


def test_who_may_not_read_its_token_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = 'secrets is forbidden: User "joe" cannot get resource "secrets" in API group "" in the namespace "x"'
    with (
        cluster({SECRET: (403, {"message": said})}, tmp_path, monkeypatch) as asked,
        pytest.raises(Unavailable, match=r"token of the injection service cannot be read: .* may not get secrets"),
    ):
        ClusterInjection(asked, "mine")
