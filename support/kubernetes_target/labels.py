"""Labels of the suite itself; those of faults are in `injector.labels`."""

from __future__ import annotations

RUN, SET = "dynamo-fault-specs/run", "dynamo-fault-specs/set"
"""Of everything of a run: its name; of a pod: the set that it belongs to."""
MAY_BE_LOST = "dynamo-fault-specs/may-be-lost"
"""Of a node, by its owner, "true": it may be drained, or taken off the network, by a scenario."""
CLOSED_BY = "dynamo-fault-specs/closed-by"
"""Annotation of a node that is closed to new pods: the run that has closed it, and will open it."""
