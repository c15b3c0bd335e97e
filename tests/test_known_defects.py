"""Known defects in a real run: expected to fail, missed when they pass, and nothing else."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from behave.parser import parse_feature

from support.chance_defects import CHANCE_DEFECTS, PREFIX, met
from support.errors import UsageError
from support.known_defects import expect_known_defects, reason_of
from tests.report_fixtures.project import run_project

FEATURE = "features/known_defects.feature"


def test_a_defect_that_is_still_there_does_not_fail_the_run(tmp_path: Path) -> None:
    project = run_project(tmp_path, FEATURE, "-n", "A defect is still there")
    assert project.status == 0
    result = project.results["A defect is still there"]
    assert result["status"] == "skipped"
    assert result["statusDetails"]["message"] == (
        "Known defect of Dynamo, as expected: usage counts replayed tokens (dynamo#1234)"
        " | lost tokens 3-4; the stream ended after 240 ms without a finish reason"
    )
    assert [step["status"] for step in result["steps"]] == ["passed", "failed"]
    assert {"name": "tag", "value": "known_defect"} in result["labels"]
    assert project.line("A defect is still there").startswith("    known defect")
    assert "Known defects of Dynamo that failed as expected: 1" in project.output
    assert "Failing scenarios" not in project.output
    suite = ElementTree.parse(project.folder / "junit" / "TESTS-features.known_defects.xml").getroot()
    assert (suite.get("failures"), suite.get("errors")) == ("0", "0")


def test_a_defect_that_is_gone_fails_the_run(tmp_path: Path) -> None:
    project = run_project(tmp_path, FEATURE, "-t", "@gone")
    message = (
        'The defect is gone: remove @known_defect from "A defect is gone", '
        "features/known_defects.feature:18 (the gauge says 0)"
    )
    assert project.status == 1
    assert project.results["A defect is gone"]["status"] == "failed"
    assert project.message("A defect is gone") == message
    assert message in project.output
    assert "0 scenarios passed, 1 failed" in project.output
    suite = ElementTree.parse(project.folder / "junit" / "TESTS-features.known_defects.xml").getroot()
    failure = suite.find("testcase[@name='A defect is gone']/failure")
    assert failure is not None
    assert failure.get("message") == message


def test_a_defect_that_is_not_seen_by_longer_deadlines_is_no_news(tmp_path: Path) -> None:
    project = run_project(tmp_path, FEATURE, "-D", "timeout_scale=2", "-t", "@gone")
    assert project.status == 0, project.output
    assert project.results["A defect is gone"]["status"] == "passed"


def test_a_promise_that_is_broken_before_the_known_one_fails_the_run(tmp_path: Path) -> None:
    project = run_project(tmp_path, FEATURE, "-t", "@elsewhere")
    assert project.status == 1
    assert project.results["Something else is broken"]["status"] == "failed"
    assert "lost tokens 3-4" in project.message("Something else is broken")


def test_an_error_teaches_nothing_about_the_defect(tmp_path: Path) -> None:
    project = run_project(tmp_path, FEATURE, "-t", "@errs")
    assert project.status == 1
    assert project.results["A defect cannot be judged"]["status"] == "broken"
    assert "0 scenarios passed, 0 failed, 1 error" in project.output


def test_other_formatters_are_served_too(tmp_path: Path) -> None:
    project = run_project(tmp_path, FEATURE, "-f", "plain", "-n", "A defect is still there")
    assert project.status == 0
    assert project.results["A defect is still there"]["status"] == "skipped"


def test_a_mark_needs_a_reason(tmp_path: Path) -> None:
    project = run_project(tmp_path, "features/without_reason.feature")
    assert project.status == 1
    assert '"Nobody said why" is tagged @known_defect without a reason' in project.output


@pytest.mark.parametrize("reason", ["", "    Known defect:\n", "    It is known.\n"])
def test_the_reason_is_a_line_of_the_description(reason: str) -> None:
    feature = parse_feature(f"Feature: F\n  @known_defect\n  Scenario: S\n{reason}\n    Given it\n")
    with pytest.raises(UsageError, match=r'add a line "Known defect: \.\.\."'):
        expect_known_defects(feature)


def test_a_reason_may_take_several_lines() -> None:
    text = "Feature: F\n  @known_defect\n  Scenario: S\n    Known defect: it does\n    this.\n\n    Given it\n"
    (scenario,) = parse_feature(text).walk_scenarios()
    assert reason_of(scenario) == "it does this."


def test_a_defect_that_is_met_by_chance_does_not_fail_the_run_nor_one_that_is_not(tmp_path: Path) -> None:
    project = run_project(tmp_path, "features/chance.feature", "-t", "not (@unmet or @errs or @wrong)")
    assert project.status == 0, project.output
    assert project.results["A defect is not met"]["status"] == "passed"
    assert project.results["A defect is met by chance"]["status"] == "skipped"
    assert project.message("A defect is met by chance") == (
        f"Known defect of Dynamo, as expected: {CHANCE_DEFECTS['lost_lease'].what}"
        " | lost tokens 3-4; the stream ended after 240 ms without a finish reason"
    )
    assert project.line("A defect is met by chance").startswith("    known defect")
    assert project.message("A part of it ends by chance") == (
        f"Known defect of Dynamo, as expected: {CHANCE_DEFECTS['lost_lease'].what}"
        " | frontend-0 ended (with 0) and is not running"
    )
    assert project.message("A known defect is met on a machine that is busy").startswith(
        "Known defect of Dynamo, as expected: it is slow. | "
    )
    for also in ("before the one that is known", "on a machine that is busy"):
        assert project.results[f"A defect is met by chance {also}"]["status"] == "skipped"


@pytest.mark.parametrize(
    ("which", "statuses"), [("@unmet", ["broken", "broken", "failed"]), ("@errs", ["broken"]), ("@wrong", ["failed"])]
)
def test_what_has_another_cause_is_not_excused_by_chance(tmp_path: Path, which: str, statuses: list[str]) -> None:
    project = run_project(tmp_path, "features/chance.feature", "-t", which)
    assert project.status == 1
    assert sorted(one["status"] for one in project.results.values() if one["status"] != "skipped") == statuses


def test_what_dynamo_writes_tells_of_it(tmp_path: Path) -> None:
    line = (
        "2026-11-28T01:45:21.943438Z ERROR dynamo_runtime::transports::etcd::lease: Unable to maintain lease. Check "
        "etcd server status error=Unable to reconnect to ETCD cluster: deadline exceeded"
    )
    tag, defect = f"{PREFIX}lost_lease", CHANCE_DEFECTS["lost_lease"]
    (tmp_path / "frontend-0.log").write_text(f"something\n{line}\n")
    assert met([tag], tmp_path) is defect
    assert met(["etcd_ha"], tmp_path) is None, "only where the scenario says so"
    (tmp_path / "frontend-0.log").rename(tmp_path / "vllm-worker-0.log")
    assert met([tag], tmp_path) is defect
    (tmp_path / "vllm-worker-0.log").rename(tmp_path / "etcd-0.log")
    assert met([tag], tmp_path) is None, "only of a frontend or worker"


STARTED = "INFO dynamo_runtime::pipeline::network::manager: Initializing NetworkManager with TCP request plane\n"
KNOWN = 'INFO dynamo_llm::discovery::watcher: added model model_name="m" namespace="dynamo"\n'
ENDS = "INFO dynamo_runtime::runtime: Runtime shutdown initiated\n"
REGISTERED = "INFO shared_tcp_endpoint: Registered endpoint 'dynamo.backend.generate' with shared TCP server\n"


@pytest.mark.parametrize(
    ("frontend", "worker", "is_met"),
    [
        (STARTED + KNOWN + STARTED, STARTED + REGISTERED, True),
        (STARTED + KNOWN, STARTED + REGISTERED, False),
        (STARTED + KNOWN + STARTED + KNOWN, STARTED + REGISTERED, False),
        (STARTED + KNOWN + STARTED, STARTED + REGISTERED + STARTED, False),
        ("it waits for etcd\n", STARTED + REGISTERED, False),
        (STARTED, "it served before\n", True),
        (STARTED, "it served before\n" + ENDS, False),
    ],
    ids=[
        "knows of none",
        "knows of one",
        "knows of one again",
        "there is none to know of",
        "never started",
        "knows of none though one has run all the time",
        "knows of none as the one that ran has ended",
    ],
)
def test_a_frontend_that_knows_of_no_model_tells_of_it(
    tmp_path: Path, frontend: str, worker: str, is_met: bool
) -> None:
    (tmp_path / "frontend-0.log").write_text(STARTED + KNOWN)
    (tmp_path / "frontend-1.log").write_text(frontend)
    (tmp_path / "vllm-worker-0.log").write_text(worker)
    defect = CHANCE_DEFECTS["deaf_frontend"]
    assert met([f"{PREFIX}lost_lease", f"{PREFIX}deaf_frontend"], tmp_path) is (defect if is_met else None)


@pytest.mark.parametrize(("why", "is_met"), [("expired or revoked", True), ("Unable to reconnect", True), ("", False)])
def test_a_lease_that_was_given_up_tells_of_it(tmp_path: Path, why: str, is_met: bool) -> None:
    line = f"ERROR lease: Unable to maintain lease. Check etcd server status error={why}\n" if why else "all is well\n"
    (tmp_path / "vllm-worker-1.log").write_text(line)
    defect = CHANCE_DEFECTS["lease_given_up"] if is_met else None
    assert met([f"{PREFIX}lease_given_up"], tmp_path) is defect


def test_a_frontend_that_has_begun_to_end_tells_of_it(tmp_path: Path) -> None:
    tag, log = f"{PREFIX}waiting_frontend", tmp_path / "frontend-0.log"
    for before in (STARTED, "it served before\n"):
        log.write_text(before + ENDS)
        assert met([tag], tmp_path) is CHANCE_DEFECTS["waiting_frontend"]
    log.write_text(log.read_text() + STARTED)
    assert met([tag], tmp_path) is None, "it ended, and was started again"


OUTLINE = """
Feature: F
  Scenario Outline: S
    Known defect: on one backend only

    Given <x>

    Examples: fine
      | x |
      | a |

    @known_defect
    Examples: not
      | x |
      | b |
"""


def test_an_example_may_be_marked_alone() -> None:
    feature = parse_feature(OUTLINE)
    plain, marked = feature.walk_scenarios()
    expect_known_defects(feature)
    assert "run" not in vars(plain)
    assert "run" in vars(marked)


DROPPED = (
    "WARN shared_tcp_endpoint: TCP worker failed to handle request instance_id=7 error=Generic error: Failed to create "
    "response stream: Connection refused (os error 111)\n"
)
ANSWERED = '{"error_class": null, "headers": 1.5}\n'
UNANSWERED = '{"error_class": "timeout", "headers": null}\n'
BROKEN_OFF = '{"error_class": "timeout", "headers": 1.5}\n'


@pytest.mark.parametrize(
    ("records", "worker", "is_met"),
    [
        (ANSWERED + UNANSWERED, DROPPED, True),
        (ANSWERED, DROPPED, False),
        (ANSWERED + UNANSWERED + UNANSWERED, DROPPED, False),
        (ANSWERED + UNANSWERED, "all is well\n", False),
        (ANSWERED + BROKEN_OFF, DROPPED, False),
        (UNANSWERED + '{"error_cl', DROPPED, True),
    ],
    ids=["one", "none hung", "one more hung", "none was dropped", "one hung that had begun", "a half line"],
)
def test_a_request_that_was_dropped_tells_of_it(tmp_path: Path, records: str, worker: str, is_met: bool) -> None:
    (tmp_path / "load").mkdir()
    (tmp_path / "load" / "records-0000.jsonl").write_text(records)
    (tmp_path / "vllm-worker-1.log").write_text(worker)
    defect = CHANCE_DEFECTS["dropped_request"] if is_met else None
    assert met([f"{PREFIX}dropped_request"], tmp_path) is defect
