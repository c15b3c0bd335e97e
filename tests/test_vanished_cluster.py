"""A real cluster that vanishes in the middle of a run: the run ends by itself and says so, and leaves nothing for long.

DYNAMO_FAULT_SPECS_TEST_LOSE_API and DYNAMO_FAULT_SPECS_TEST_RETURN_API are commands of the shell that make the API
server answer nobody, and answer again.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.kubernetes_target.cluster import Cluster
from support.kubernetes_target.labels import RUN
from support.settings import ROOT
from support.waiting import eventually
from tests.on_cluster import IMAGE, PREFIX, namespaces

LOSE, RETURN = (os.environ.get(f"DYNAMO_FAULT_SPECS_TEST_{verb}_API", "") for verb in ("LOSE", "RETURN"))
if not (LOSE and RETURN):
    # Only whoever made the cluster knows how to take its API server away.
    pytest.skip(
        "needs DYNAMO_FAULT_SPECS_TEST_LOSE_API and DYNAMO_FAULT_SPECS_TEST_RETURN_API", allow_module_level=True
    )

BEGINS_WITHIN = 90.0
ENDS_WITHIN = 300.0
"""Seconds; each thing that is asked of a cluster which is away takes up to 15."""
REAPED_WITHIN = 180.0
SCALE = "0.2"
"""Of the run's deadlines: what waits for pods that will not come is not what is tried here."""


def test_a_run_whose_cluster_vanishes_ends_and_leaves_nothing_for_long(tmp_path: Path) -> None:
    cluster, before = Cluster(), namespaces()
    argv = [sys.executable, "-m", "support.cli", "run", "-t", "@smoke and @vllm", "features/migration"]
    settings = ("target=kubernetes", f"image={IMAGE}", f"namespace={PREFIX}", f"log_dir={tmp_path}")
    argv += [f"-D{one}" for one in (*settings, f"timeout_scale={SCALE}")]
    run = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        eventually(
            lambda: len(namespaces() - before) == 2 and run.poll() is None,
            within=BEGINS_WITHIN,
            describe="a deployment is being made",
        )
        subprocess.run(["sh", "-c", LOSE], check=True)
        said, _ = run.communicate(timeout=ENDS_WITHIN)
    finally:
        subprocess.run(["sh", "-c", RETURN], check=True)
        run.kill()
    assert run.returncode == 1, said
    assert f"the cluster of the context {cluster.context} does not answer" in said, said
    assert "Traceback" not in said
    left = namespaces() - before
    (name,) = {one.metadata.labels[RUN] for one in cluster.namespaces(RUN) if one.metadata.name in left}
    assert f"the namespaces of {name} could not be deleted and go by themselves" in said, said
    assert cluster.await_gone(f"{RUN}={name}", within=REAPED_WITHIN) == []
