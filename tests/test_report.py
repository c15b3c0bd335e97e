"""The report of a tiny real behave project in which scenarios end in every way."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.report_fixtures.project import Project, run_project


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return run_project(tmp_path_factory.mktemp("everything"), "-t", "not @deselected")


@pytest.mark.parametrize(
    ("scenario", "status", "message"),
    [
        ("It fails", "failed", "lost tokens 87-91; the stream ended after 240 ms without a finish reason"),
        ("Its fault does not happen", "broken", "vllm-worker-0 is still running 2 s after SIGKILL"),
        ("Its deployment does not start", "broken", "in before_scenario: DeploymentError: vllm-worker-0 ended"),
        ("It leaves requests behind", "broken", "in after_scenario: DeploymentError: 2 requests are still in flight"),
        ("It fails and leaves requests behind", "broken", "before that, in the step Then it lost tokens 1 to 2: lost"),
        ("Its clean-up fails", "broken", "in the clean-up take_back: FaultError: the partition is still there"),
        ("Its step is not there", "broken", "no step definition for: When nobody wrote this step"),
        ("It never begins", "broken", "in before_rule: DeploymentError: the rule's deployment did not start"),
        ("Nobody said why", "broken", "in before_feature: UsageError"),
        ("It runs on trtllm [TensorRT-LLM]", "skipped", "needs a GPU: this machine has none"),
        ("It finds out on the way", "skipped", "needs etcd 3.6: this machine has 3.5.1"),
    ],
)
def test_each_ending_has_its_status_and_says_why(everything: Project, scenario: str, status: str, message: str) -> None:
    assert everything.results[scenario]["status"] == status
    assert message in everything.message(scenario)
    assert "HOOK-ERROR" not in everything.message(scenario)


def test_what_passed_has_no_message(everything: Project) -> None:
    for scenario in ("It passes", "It runs on vllm [vLLM]", "It leaves evidence", "It passed before"):
        assert everything.results[scenario]["status"] == "passed"
        assert "statusDetails" not in everything.results[scenario]


def test_labels_say_where_a_scenario_belongs(everything: Project) -> None:
    assert everything.labels("It runs on vllm [vLLM]") == {
        ("epic", "Request cancellation"),
        ("feature", "Scenarios end in every way"),
        ("story", "A promise is kept or broken"),
        ("severity", "normal"),
        ("tag", "cancellation"),
        ("tag", "vllm"),
    }
    assert ("severity", "critical") in everything.labels("It passes")
    assert not [name for name, _ in everything.labels("It passes") if name == "story"]


def test_the_description_says_why_it_matters(everything: Project) -> None:
    assert everything.results["It passes"]["description"] == "People read how each of them ended."


def test_steps_show_where_it_failed(everything: Project) -> None:
    assert everything.steps("It fails") == {
        "Given a deployment": "passed",
        "When a request is sent": "passed",
        "Then it lost tokens 87 to 91": "failed",
        "And all is well": "skipped",
    }
    assert everything.steps("Its deployment does not start") == {
        "Given a deployment": "skipped",
        "Then all is well": "skipped",
    }


def test_traces_begin_in_our_own_code(everything: Project) -> None:
    for scenario in ("It fails", "Its fault does not happen", "Its deployment does not start"):
        trace = everything.results[scenario]["statusDetails"]["trace"]
        assert trace.startswith("Traceback")
        assert "behave/" not in trace


def test_evidence_lands_where_it_was_given(everything: Project) -> None:
    result = everything.results["It leaves evidence"]
    assert everything.attachments(result) == {
        "vllm-worker-0 log": "token 1\n",
        "timeline": "<svg xmlns='http://www.w3.org/2000/svg'/>",
    }
    step = next(step for step in result["steps"] if step["name"] == "When it leaves evidence")
    assert everything.attachments(step) == {"attachment": "attached by behave"}
    assert everything.attachments(step["steps"][0]) == {"answer": '{"slots": 16}'}


def test_evidence_of_a_broken_hook_is_kept(everything: Project) -> None:
    names = everything.attachments(everything.results["It leaves requests behind"])
    assert {"vllm-worker-0 log", "timeline", "Captured output"} <= names.keys()


def test_captured_output_comes_with_a_failure(everything: Project) -> None:
    assert "a line on stdout" in everything.attachments(everything.results["It fails"])["Captured output"]
    assert everything.attachments(everything.results["It passes"]) == {}


def test_what_belongs_to_no_scenario_is_global(everything: Project) -> None:
    found = [json.loads(path.read_text()) for path in (everything.folder / "allure").glob("*-globals.json")]
    assert [each["name"] for item in found for each in item.get("attachments", [])] == ["machine"]
    errors = [each["message"] for item in found for each in item.get("errors", [])]
    assert errors == ["in after_feature: DeploymentError: the pool could not be emptied"]


def test_deselected_scenarios_are_nowhere(everything: Project) -> None:
    assert "It was not asked for" not in everything.results
    assert "It was not asked for" not in everything.output


def test_progress_has_one_line_per_scenario(everything: Project) -> None:
    status, _, unit, *name = everything.line("It passes").split()
    assert (status, unit, name) == ("passed", "s", ["It", "passes"])
    assert everything.line("s It fails ").startswith("    FAILED")
    assert everything.line("Its fault does not happen").startswith("    ERROR")
    assert "needs a GPU: this machine has none" in everything.output
    assert "Feature: Scenarios end in every way" in everything.output
    assert "  Rule: A promise is kept or broken" in everything.output
    assert "\033" not in everything.output


def test_progress_says_what_a_long_wait_waits_for(everything: Project) -> None:
    wait = "                           waiting up to 10 s: the frontend lists 2 workers"
    assert wait in everything.output.splitlines()


def test_only_the_scenario_at_the_given_line_is_told(tmp_path: Path) -> None:
    project = run_project(tmp_path, "features/every_ending.feature:18")
    assert list(project.results) == ["It fails"]
    assert "It passes" not in project.output
    assert project.status == 1


def test_a_selection_by_name_leaves_nothing_else(tmp_path: Path) -> None:
    project = run_project(tmp_path, "-n", "It passes", "features/every_ending.feature")
    assert list(project.results) == ["It passes"]
    assert "It fails" not in project.output


def test_results_of_an_earlier_run_go(tmp_path: Path) -> None:
    (tmp_path / "allure").mkdir()
    (tmp_path / "allure" / "old-result.json").write_text("{}")
    project = run_project(tmp_path, "features/waiting.feature", "-f", "null")
    assert list(project.results) == ["It waits long"]
    assert project.status == 0


def test_a_dry_run_only_lists(tmp_path: Path) -> None:
    project = run_project(tmp_path, "--dry-run", "features/waiting.feature")
    assert project.line("It waits long").split() == ["not", "run", "It", "waits", "long"]
    assert project.status == 0


def test_junit_stands_beside_it(everything: Project) -> None:
    suite = ElementTree.parse(everything.folder / "junit" / "TESTS-every_ending.xml").getroot()
    assert suite.find("testcase[@name='It fails']/failure") is not None
    assert suite.find("testcase[@name='It leaves requests behind']/error") is not None
