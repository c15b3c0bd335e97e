"""What a scenario's tags mean in the report: its epic, its story, its severity; and which tags are noise there."""

from __future__ import annotations

from typing import Any

from allure_commons import mapping
from allure_commons.model2 import Label, Link

from support.report.scenario_runs import Scenario, lineage

EPICS = {
    "cancellation": "Request cancellation",
    "migration": "Request migration",
    "etcd_ha": "etcd high availability",
    "hardware": "Hardware faults",
    "deployment": "Deployment",
}
"""Area tag -> how people call that area."""

_NOISE = ("use.with_", "not.with_", "only.with_", "active.with_", "not_active.with_", "fixture.")
_mapping: Any = mapping  # allure says that it is typed, but its functions are not


def tags_of(scenario: Scenario) -> list[str]:
    """All tags of a scenario, its own and the inherited ones, from the feature down, each once."""
    parents = [parent for parent in lineage(scenario) if parent.type in ("rule", "feature")]
    levels = [*reversed(parents), scenario]
    return list(dict.fromkeys(str(tag) for level in levels for tag in level.tags))


def labels_of(scenario: Scenario) -> list[Any]:
    """allure's labels: epic from the area tag, feature, the rule as story, severity, and the tags without noise.

    A tag in allure's own form (`@allure.label.owner:x`) or with a severity's name (`@critical`) means what it says.
    """
    tags = [tag for tag in tags_of(scenario) if not tag.startswith(_NOISE)]
    labels = [Label(name="severity", value="normal")]
    labels += [parsed for parsed in map(_mapping.parse_tag, tags) if isinstance(parsed, Label)]
    labels += [Label(name="epic", value=EPICS[tag]) for tag in tags if tag in EPICS][:1]
    labels.append(Label(name="feature", value=scenario.feature.name))
    labels += [Label(name="story", value=parent.name) for parent in lineage(scenario) if parent.type == "rule"]
    return list(_mapping.labels_set(labels))


def links_of(scenario: Scenario) -> list[Any]:
    """allure's links, from tags such as `@allure.issue:https://...`."""
    return [link for link in map(_mapping.parse_tag, tags_of(scenario)) if isinstance(link, Link)]
