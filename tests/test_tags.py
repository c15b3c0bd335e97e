"""Tag expressions: what behave would misread is refused, and the default selection is added."""

from __future__ import annotations

import pytest

from support.errors import UsageError
from support.tags import FAMILIES, KNOWN, check_expression, with_default_selection


@pytest.mark.parametrize(
    "expression",
    [
        "@vllm",
        "vllm",
        "@migration and @sglang",
        "@migration and not (@nats or @slow)",
        "not (@a-b)".replace("a-b", "known_defect"),
        "@use.with_target=kubernetes",
        "@etcd*",
        "@cancellation and {config.tags}",
    ],
)
def test_good_expressions_pass(expression: str) -> None:
    check_expression([expression])
    with pytest.raises(UsageError):
        check_expression([expression, "~" + expression])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("~@wip", "not @wip"),
        ("-@wip", "not @wip"),
        ("@vllm,@sglang", "@vllm or @sglang"),
        ("~wip", "not @wip"),
        ("~@wip,@slow", "not @wip or @slow"),
        ("@vllm and ~@nats", "@vllm and not @nats"),
    ],
)
def test_the_old_style_is_refused_with_the_new_form(old: str, new: str) -> None:
    with pytest.raises(UsageError, match="old style") as refusal:
        check_expression([old])
    assert str(refusal.value).endswith(f"write -t '{new}'")
    check_expression([new])


@pytest.mark.parametrize(
    ("expression", "hint"),
    [
        ("@vlm", "did you mean @vllm?"),
        ("@migrations", "@migration"),
        ("@zzz", "there are @cancellation, @"),
        ("@zz*", "@zz*"),
    ],
)
def test_unknown_tags_are_refused_with_near_ones(expression: str, hint: str) -> None:
    with pytest.raises(UsageError, match="no scenario can have the tag") as refusal:
        check_expression([expression])
    assert hint in str(refusal.value)


@pytest.mark.parametrize("expression", ["", "  ", "@vllm and", "@vllm @sglang", "(@vllm", "@vllm)", "not"])
def test_malformed_expressions_are_refused_in_one_line(expression: str) -> None:
    with pytest.raises(UsageError, match="is not a tag expression") as refusal:
        check_expression([expression])
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("given", "added"),
    [
        ([], ["not @slow and not @wip"]),
        (["@vllm"], ["not @slow and not @wip"]),
        (["@vllm", "@slow"], ["not @wip"]),
        (["@slow or @wip"], []),
        (["not @slow"], ["not @wip"]),
    ],
)
def test_the_default_selection_leaves_out_what_is_not_named(given: list[str], added: list[str]) -> None:
    assert with_default_selection(given) == given + added


def test_families_do_not_overlap() -> None:
    assert sum(len(tags) for tags in FAMILIES.values()) == len(KNOWN)
