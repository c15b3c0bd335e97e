"""The features as text: what a reader may rely on in every one of them, and the tests of these rules themselves."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from behave.model import Feature, Rule, Scenario, ScenarioOutline, Step
from behave.parser import ParserError, parse_file

from support.settings import ROOT
from support.tags import FAMILIES, KNOWN

MOST_STEPS = 10
FEATURES = sorted((ROOT / "features").rglob("*.feature"))
TECHNICAL = {
    "a URL": r"https?:|/v1/|\blocalhost\b|\b\d+\.\d+\.\d+\.\d+\b",
    "JSON": r"[{}]|\[\s*\"",
    "a sleep": r"\bsleeps?\b|\b(wait|pause)s? (for )?\d",
    "a port": r"\bports?\b|:\d{2,5}\b",
    "a shell word": r"\b(kubectl|curl|bash|grep|iptables|nft|docker|kill -|SIG(KILL|TERM|STOP)|pids?|process(es)?)\b",
}
"""What belongs in support/, not in a promise."""


@pytest.mark.parametrize("file", FEATURES, ids=[str(file.relative_to(ROOT / "features")) for file in FEATURES])
def test_feature_keeps_the_rules(file: Path) -> None:
    assert flaws(file) == []


def test_names_are_unique_over_all_features() -> None:
    assert repeated(FEATURES) == []


@pytest.mark.skipif(not FEATURES, reason="there are no features yet")
def test_every_step_is_defined_and_every_definition_is_used() -> None:
    assert step_flaws(ROOT) == []


def flaws(file: Path) -> list[str]:
    """What is wrong with one feature file, each as "LINE: what"."""
    try:
        feature = parse_file(str(file))
    except ParserError as error:
        return [f"{error.line}: cannot be read: {error}"]
    found = [*_feature_flaws(feature, area=file.parent.name)]
    for rule in feature.rules:
        found += _rule_flaws(rule)
    for scenario in written_scenarios(feature):
        found += _scenario_flaws(scenario)
    return found


def written_scenarios(feature: Feature) -> Iterator[Scenario | ScenarioOutline]:
    """As written: an outline is one."""
    yield from feature.scenarios
    for rule in feature.rules:
        yield from rule.scenarios


def repeated(files: list[Path]) -> list[str]:
    """Names of features, rules' scenarios, and examples that occur twice: in the report they would be one."""
    features = [parse_file(str(file)) for file in files]
    names = Counter(feature.name for feature in features)
    names.update(scenario.name for feature in features for scenario in written_scenarios(feature))
    examples = (re.sub(r" -- @\d+\.\d+ ?", " ", each.name) for feature in features for each in feature.walk_scenarios())
    names.update(f"{name} " for name in examples)  # apart from the scenarios' own names
    return [f"{name.strip()!r} is there {count} times" for name, count in names.items() if count > 1]


def step_flaws(project: Path) -> list[str]:
    """Undefined steps and unused definitions of the behave project in that folder, as behave tells them."""
    usage = [sys.executable, "-m", "behave", "--dry-run", "--no-summary", "--no-snippets", "-f", "steps.usage"]
    said = subprocess.run(usage, cwd=project, capture_output=True, text=True)
    _, unused, rest = said.stdout.partition("UNUSED STEP DEFINITIONS")
    undefined = (rest if unused else said.stdout).partition("UNDEFINED STEPS")[2]
    never = re.findall(r"^  (@.*?)\s+# (\S+)$", rest.partition("UNDEFINED STEPS")[0], re.MULTILINE)
    unknown = re.findall(r"^  (\w+ .*?)\s+# (\S+)$", undefined, re.MULTILINE)
    found = [f"{where}: no step uses {what}" for what, where in never]
    found += [f"{where}: no definition for {what!r}" for what, where in unknown]
    if said.returncode and not found:
        found.append((said.stderr + said.stdout).strip())
    return found


def _feature_flaws(feature: Feature, *, area: str) -> Iterator[str]:
    if not feature.description:
        yield f"{feature.line}: the feature has no description: say in 2 to 4 lines who relies on it"
    areas = [tag for tag in feature.tags if tag in FAMILIES["area"]]
    if areas != [area]:
        yield f"{feature.line}: a feature in {area}/ has the area tag @{area} and no other, not {areas}"
    yield from _tag_flaws(feature.tags)


def _rule_flaws(rule: Rule) -> Iterator[str]:
    if not re.fullmatch(r"[A-Z].*[^.]", rule.name) or len(rule.name.split()) < 4:
        yield f"{rule.line}: the name of a rule is a sentence without its full stop, not {rule.name!r}"
    if not rule.scenarios:
        yield f"{rule.line}: the rule has no scenario"
    yield from _tag_flaws(rule.tags)


def _scenario_flaws(scenario: Scenario | ScenarioOutline) -> Iterator[str]:
    yield from _tag_flaws(scenario.tags)
    yield from _step_flaws(scenario)
    if "known_defect" in scenario.tags and not any(
        re.match(r"Known defect: \S", line) for line in scenario.description
    ):
        yield f"{scenario.line}: a @known_defect says why, in a line that starts with 'Known defect:'"
    for examples in getattr(scenario, "examples", []):
        yield from _tag_flaws(examples.tags)
        if not examples.name:
            yield f"{examples.line}: the examples have no name"


def _step_flaws(scenario: Scenario | ScenarioOutline) -> Iterator[str]:
    whens = sum(step.step_type == "when" for step in scenario.steps)
    if whens != 1:
        yield f"{scenario.line}: a scenario has one When, not {whens}"
    if len(scenario.steps) > MOST_STEPS:
        yield f"{scenario.line}: {len(scenario.steps)} steps are more than {MOST_STEPS}"
    for step in [*(scenario.background.steps if scenario.background else []), *scenario.steps]:
        for what, pattern in TECHNICAL.items():
            if found := re.search(pattern, _text(step)):
                yield f"{step.line}: {what} in a step: {found[0]!r}"


def _text(step: Step) -> str:
    """Its sentence, doc string and table; without outline placeholders."""
    cells = [cell for row in step.table.rows for cell in row.cells] if step.table else []
    return " ".join([step.name, step.text or "", *cells])


def _tag_flaws(tags: list[str]) -> Iterator[str]:
    for tag in tags:
        if tag not in KNOWN:
            yield f"{getattr(tag, 'line', '?')}: there is no tag @{tag} in support/tags.py"


# The rules' own tests: a feature that keeps them all, and one change at a time that breaks one.

GOOD = """\
@migration
Feature: A stream survives
  People read an answer while it is being generated.

  Rule: When a worker dies, another one takes over

    @known_defect
    Scenario Outline: A killed worker costs nothing
      Known defect: it costs something.

      Given a deployment
      When a worker is killed
      Then nothing is lost on <backend>

      @vllm
      Examples: vLLM
        | backend |
        | vllm    |
"""
MIGHTY = "\n".join(["      Then nothing is lost on <backend>", *["      And nothing more"] * 8])


@pytest.mark.parametrize(
    ("old", "new", "flaw"),
    [
        ("  People read an answer while it is being generated.\n", "", "no description"),
        ("@migration\n", "", "has the area tag @migration"),
        ("@migration\n", "@cancellation\n", "has the area tag @migration"),
        ("@vllm\n", "@vlm\n", "no tag @vlm"),
        ("When a worker dies, another one takes over", "Takeover", "the name of a rule is a sentence"),
        ("When a worker is killed", "And a worker is killed", "one When, not 0"),
        ("When a worker is killed", "When a worker is killed\n      And another", "one When, not 2"),
        ("      Then nothing is lost on <backend>", MIGHTY, "11 steps are more than 10"),
        ("Known defect: it", "It", "says why"),
        ("Examples: vLLM", "Examples:", "the examples have no name"),
        ("a worker is killed", "a worker at http://10.0.0.1/ is killed", "a URL"),
        ("a worker is killed", 'a worker gets {"kill": 1}', "JSON"),
        ("a worker is killed", "a worker is killed and the test waits for 5 seconds", "a sleep"),
        ("a worker is killed", "port 8000 is closed", "a port"),
        ("a worker is killed", "kubectl deletes a worker", "a shell word"),
        ("a worker is killed", 'a worker is killed\n        """\n        kubectl delete\n        """', "a shell word"),
        ("Given a deployment", "And a deployment", "cannot be read"),
    ],
)
def test_a_flaw_is_found(tmp_path: Path, old: str, new: str, flaw: str) -> None:
    assert old in GOOD
    found = flaws(_written(tmp_path, GOOD.replace(old, new, 1)))
    assert len(found) == 1
    assert flaw in found[0]


def test_a_good_feature_has_no_flaw(tmp_path: Path) -> None:
    file = _written(tmp_path, GOOD)
    assert flaws(file) == []
    assert repeated([file]) == []


def test_repeated_names_are_found(tmp_path: Path) -> None:
    twice = GOOD + "        | vllm    |\n"
    assert repeated([_written(tmp_path, twice)]) == ["'A killed worker costs nothing vLLM' is there 2 times"]
    file = _written(tmp_path, GOOD)
    assert "'A stream survives' is there 2 times" in repeated([file, file])


def test_undefined_and_unused_steps_are_found(tmp_path: Path) -> None:
    _written(tmp_path, GOOD)
    steps = tmp_path / "steps" / "all.py"
    steps.parent.mkdir()
    steps.write_text(
        "from behave import given, then, when\n"
        "@given('a deployment')\ndef one(context): ...\n"
        "@when('a worker is killed')\ndef two(context): ...\n"
        "@then('nobody says this')\ndef three(context): ...\n"
    )
    assert step_flaws(tmp_path) == [
        "steps/all.py:6: no step uses @then('nobody says this')",
        "features/migration/good.feature:13: no definition for 'Then nothing is lost on vllm'",
    ]


def _written(project: Path, text: str) -> Path:
    file = project / "features" / "migration" / "good.feature"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file
