"""The hooks of a tiny behave project that ends in every way in which a scenario can end."""

import os
from pathlib import Path
from typing import Any

from support.errors import DeploymentError
from support.known_defects import expect_known_defects
from support.report.allure_results import ReportFormatter
from support.report.evidence import attach, attach_file
from support.report.scenario_runs import run_of
from support.waiting import scale_deadlines


def before_all(context: Any) -> None:
    results = Path(os.environ["RESULTS"])
    context._runner.formatters.append(ReportFormatter.into(results, context.config))
    attach("machine", "2 cores", "text")
    scale_deadlines(float(context.config.userdata.get("timeout_scale", 1)))


def before_feature(context: Any, feature: Any) -> None:
    expect_known_defects(feature)
    for scenario in feature.walk_scenarios():
        if "gpu" in scenario.effective_tags:
            scenario.skip("needs a GPU: this machine has none")


def before_rule(context: Any, rule: Any) -> None:
    if "broken_rule" in rule.tags:
        raise DeploymentError("the rule's deployment did not start: look at frontend-0.log")


def before_scenario(context: Any, scenario: Any) -> None:
    if "broken_before" in scenario.effective_tags:
        raise DeploymentError("vllm-worker-0 ended with status 1: look at its log")


def after_scenario(context: Any, scenario: Any) -> None:
    folder = Path(os.environ["RESULTS"]).with_name("evidence") / scenario.name
    folder.mkdir(parents=True)
    told = "Unable to maintain lease. Check it error=Unable to reconnect to ETCD cluster: deadline exceeded"
    (folder / "frontend-0.log").write_text(f"serving\n{told}\n" if "met" in scenario.tags else "serving\n")
    run_of(scenario).evidence = folder
    if "evidence" in scenario.effective_tags:
        path = Path(os.environ["RESULTS"]).with_name("worker.log")
        path.write_text("token 1\n")
        attach_file(path, "vllm-worker-0 log", "log")
        attach("timeline", "<svg xmlns='http://www.w3.org/2000/svg'/>", "svg")
    if "broken_after" in scenario.effective_tags:
        raise DeploymentError("2 requests are still in flight: the worker leaks them")


def after_feature(context: Any, feature: Any) -> None:
    if "broken_after_feature" in feature.tags:
        raise DeploymentError("the pool could not be emptied")
