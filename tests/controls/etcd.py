"""Negative controls of etcd and NATS, one for each Rule."""

from __future__ import annotations

from tests.controls.suite import Area, Control

GONE = "An etcd leader that is gone costs nobody anything"
REPLACED = "An etcd leader that is replaced by a member that holds nothing yet is not missed"
CUT = "An etcd follower that is cut off from the other etcd members for 2 seconds needs no hand"
SILENT = "The majority of etcd elects another leader, and the old one falls silent"
LEFT_OUT = "A worker that is cut off from etcd is left out, and serves again when it was started anew"
MOMENT = "A frontend that is cut off from etcd for a moment serves on with what it knows"
LOSSY = "A Dynamo that is left with 7 of 10 packets from etcd costs nobody anything"
MAJORITY = "Two of three etcd members that are gone for a moment are not missed"
NEWCOMER = "Nobody finds a new worker until etcd has a majority again"
ENDS = "An idle Dynamo ends when its only etcd is gone"
BACK = "Dynamo serves again when its only etcd comes back with what it stored"
FULL = "Requests do not notice that etcd is full"
FORGETS = "A frontend catches up although etcd has forgotten how one worker came and another one went"
NATS = "NATS that comes back with nothing of what it stored serves as before"
COMES = "A worker that comes serves although the etcd leader is lost while a worker starts"
TWO_FRONTENDS = "Two frontends that lose NATS one after the other cost no answer that has begun"

NO_TOKEN = "And no token is lost or repeated"
LOST = r"of \d+ tokens [1-9]\d* were lost"
ANOTHER = "And another etcd member leads within 5 seconds"

FAIL = [
    Control("takes-a-follower-for-the-leader", GONE, ANOTHER, r"etcd-\d led before, and nobody else after"),
    Control("drops-a-chunk", REPLACED, NO_TOKEN, LOST),
    Control("drops-a-chunk", CUT, NO_TOKEN, LOST),
    Control(
        "heals-early",
        SILENT,
        "Then the one that is cut off gives nobody old news",
        r"etcd-\d was asked \d+ times and answered [1-9]",
    ),
    Control(
        "heals-early",
        LEFT_OUT,
        "And the frontend lists 1 worker within 12 seconds",
        r"listed 1 workers never after it was begun",
    ),
    Control("drops-a-chunk", MOMENT, NO_TOKEN, LOST),
    Control("drops-a-chunk", MAJORITY, NO_TOKEN, LOST),
    Control(
        "says-something-else",
        ENDS,
        "Then the frontend and every worker end within 20 seconds and say that they lost etcd",
        r"frontend-0, vllm-worker-0, vllm-worker-1 ended without a word on etcd",
    ),
    Control("starts-nothing-again", BACK, "Then the frontend serves again within 55 seconds", r"not within"),
    Control("drops-a-chunk", NATS, NO_TOKEN, LOST),
    Control(
        "freezes-who-comes",
        COMES,
        "Then the new worker answers requests within 40 seconds of the failure's end",
        r"vllm-worker-2 takes a request: not within",
    ),
    Control("drops-a-chunk", TWO_FRONTENDS, NO_TOKEN, LOST),
]
ERRORS = [
    Control(
        "one-posing-as-three",
        CUT,
        "When an etcd follower is cut off from the other etcd members for 2 seconds under this load",
        r"'an etcd follower' names nobody: this deployment has etcd-0, nats-0",
    ),
    Control(
        "cuts-others",
        SILENT,
        "When the etcd leader is cut off from the other etcd members for 9 seconds under this load",
        r"a partition was made, but 0 packets were stopped, and etcd-\d to etcd-\d connects",
    ),
    Control(
        "cuts-nobody",
        MOMENT,
        "When the frontend is cut off from etcd for 2 seconds under this load",
        r"a cut needs at least one peer",
    ),
    Control("strikes-nobody", NEWCOMER, "When this happens under the load", r"etcd-\d was to be gone and runs"),
    Control("cuts-others", LOSSY, "When this happens under the load", r"a packet from .* is stopped: not within 5 s"),
    Control(
        "fills-nothing",
        FULL,
        "When every etcd member is out of space for 14 seconds under this load",
        r"0 bytes were stored, and no member says that it is out of space",
    ),
    Control(
        "forgets-nothing", FORGETS, "When this happens under the load", r"was to be forgotten, and \d+ can be read"
    ),
]

AREA = Area(
    "etcd", program="tests.broken_etcd", fail=FAIL, errors=ERRORS, tags="@etcd_ha and not @sglang and not @trtllm"
)
