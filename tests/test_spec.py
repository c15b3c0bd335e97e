"""Deployment specs: what can be asked for, and one sentence for what contradicts itself."""

from __future__ import annotations

from typing import Any

import pytest

from support.errors import UsageError
from support.kept_deployment import names
from support.spec import DeploymentSpec


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ({"backend": "vlm"}, "unknown backend 'vlm': choose one of vllm, sglang, trtllm"),
        ({"engine": "steam"}, "unknown engine 'steam': choose one of mocker, counting, real"),
        ({"request_plane": "udp"}, "unknown request plane 'udp': choose one of tcp, nats"),
        ({"router_mode": "rnd"}, "unknown router mode 'rnd': choose one of round-robin, "),
        ({"restart": "sometimes"}, "unknown restart policy 'sometimes': choose one of never, always"),
        ({"prefill": 1, "decode": 1}, "either workers or prefill and decode workers, not both"),
        ({"workers": 0, "prefill": 1}, "at least one worker of each role"),
        ({"workers": 0, "decode": 2}, "at least one worker of each role"),
        ({"workers": -1}, "workers is -1: it must be 0 or more"),
        ({"migration_limit": -3}, "migration_limit is -3: it must be 0 or more"),
        ({"frontends": 0}, "frontends is 0: it must be 1 or more"),
        ({"tokens_per_second": 0}, "tokens_per_second is 0: it must be 1 or more"),
        ({"slots": 0}, "slots is 0: it must be 1 or more"),
        ({"blocks": 0}, "blocks is 0: it must be 1 or more"),
        ({"etcd_members": 2}, "etcd_members is 2: a cluster has 1, 3 or 5 members"),
        ({"migration_max_seq_len": -1}, "migration_max_seq_len is -1: it must be 0 or more"),
        ({"seconds_to_stop": -0.5}, "seconds_to_stop is -0.5: it must be 0 or more"),
        ({"busy_decode_blocks": 0}, "busy_decode_blocks is 0: it is a share, above 0 and up to 1"),
        ({"busy_decode_blocks": 1.5}, "busy_decode_blocks is 1.5: it is a share, above 0 and up to 1"),
        ({"router_queue_threshold": -0.1}, "router_queue_threshold is -0.1: it must be 0 or more"),
        ({"kserve": True, "workers": 2}, "a deployment that serves KServe's protocol has 1 worker"),
        ({"kserve": True, "workers": 1, "anthropic_messages": True}, "and no messages of Anthropic's"),
        ({"busy_prefill_tokens": 0}, "busy_prefill_tokens is 0: it must be 1 or more"),
    ],
)
def test_what_cannot_be_is_refused(wanted: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError) as refused:
        DeploymentSpec(**wanted)
    assert sentence in str(refused.value)


def test_a_change_is_checked_too() -> None:
    assert DeploymentSpec().but(slots=3) == DeploymentSpec(slots=3)
    with pytest.raises(UsageError, match="slots is 0"):
        DeploymentSpec().but(slots=0)


def test_equal_specs_are_interchangeable() -> None:
    assert hash(DeploymentSpec(backend="trtllm")) == hash(DeploymentSpec(backend="trtllm"))
    assert DeploymentSpec(environment=(("A", "1"),)) != DeploymentSpec()


def test_components_are_named_as_pods_would_be_in_the_order_of_their_start() -> None:
    assert list(names(DeploymentSpec(backend="sglang", etcd_members=3, frontends=2))) == [
        *("etcd-0", "etcd-1", "etcd-2", "nats-0", "frontend-0", "frontend-1"),
        *("sglang-worker-0", "sglang-worker-1"),
    ]
    disaggregated = names(DeploymentSpec(workers=0, prefill=1, decode=2))
    assert list(disaggregated)[3:] == ["vllm-prefill-0", "vllm-decode-0", "vllm-decode-1"]
    assert disaggregated["vllm-decode-1"] == "decode"


def test_it_reads_as_a_phrase() -> None:
    assert str(DeploymentSpec()) == "vllm (counting engine, tcp plane): 2 worker"
    assert str(DeploymentSpec(workers=0, prefill=1, decode=2, request_plane="nats")) == (
        "vllm (counting engine, nats plane): 1 prefill + 2 decode"
    )
    assert str(DeploymentSpec(workers=0)).endswith(": no worker")
