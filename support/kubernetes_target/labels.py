"""Labels that the suite, the injection service and a cluster's owner understand."""

from __future__ import annotations

RUN, SET = "dynamo-fault-specs/run", "dynamo-fault-specs/set"
"""Of everything of a run: its name; of a pod: the set that it belongs to."""
MAY_BE_LOST = "dynamo-fault-specs/may-be-lost"
"""Of a node, by its owner, "true": it may be drained, or taken off the network, by a scenario."""
ALLOWED, ROLE, KEPT = "dynamo-faults/allowed", "dynamo-faults/role", "dynamo-faults/kept"
"""By them the injection service knows that faults may be done to a namespace, what a pod is, and that a keeper is in
it."""
