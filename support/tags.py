"""The tags that features may carry, and the tag expressions that select by them."""

from __future__ import annotations

import difflib
import fnmatch
import re
from collections.abc import Collection, Mapping, Sequence

from cucumber_tag_expressions import TagExpressionError, parse

from support.chance_defects import TAGS as CHANCE_TAGS
from support.errors import UsageError
from support.settings import TARGETS
from support.spec import ENGINES

FAMILIES: Mapping[str, frozenset[str]] = {
    "area": frozenset({"cancellation", "migration", "etcd_ha", "hardware", "deployment"}),
    "backend": frozenset({"vllm", "sglang", "trtllm"}),
    "cost": frozenset({"smoke", "slow", "serial"}),
    "plane": frozenset({"nats"}),
    "state": frozenset({"known_defect", "wip"}) | CHANCE_TAGS,
    "needs": frozenset(
        {
            "gpu",
            "k8s",
            *(f"use.with_target={target}" for target in TARGETS),
            *(f"use.with_engine={engine}" for engine in ENGINES),
        }
    ),
}
"""Closed: a tag that is in no family does not exist. Names are without `@`."""

KNOWN: frozenset[str] = frozenset().union(*FAMILIES.values())

UNLESS_NAMED = ("slow", "wip")
"""Scenarios with these tags run only when the user's expression names the tag."""

OPERATORS = ("and", "or", "not")

_PLACEHOLDER = "{config.tags}"  # behave's own, for the configured default


def check_expression(tags: Sequence[str], known: Collection[str] = KNOWN) -> None:
    """Refuse, with a UsageError, what behave would take to mean "nothing" without a word.

    tags: the values of -t, as given. known: tag names without `@`.
    """
    for expression in tags:
        _refuse_old_style(expression)
        _refuse_malformed(expression)
        _refuse_unknown(expression, known)


def with_default_selection(tags: Sequence[str]) -> list[str]:
    """The expressions, which behave joins by "and", and one more that leaves out what the user has not named.

    Nothing becomes "not @slow and not @wip"; "@vllm" gets the same added; "@slow" only "not @wip".
    """
    named = {name for expression in tags for name in _names(expression)}
    left_out = [tag for tag in UNLESS_NAMED if tag not in named]
    return [*tags, *([" and ".join(f"not @{tag}" for tag in left_out)] if left_out else [])]


def _refuse_old_style(expression: str) -> None:
    if any(word[0] in "~-" or "," in word for word in _words(expression)):
        new = re.sub(r"[^\s()]+", lambda word: _new_style(word[0]), expression)
        raise UsageError(f"-t '{expression}' is the old style of tag expressions: write -t '{new}'")


def _new_style(word: str) -> str:
    """Of one word: `~@a,@b` is "not @a or @b". Without `@`, operators stay themselves."""
    if word in OPERATORS:
        return word
    terms = [("not " if term[0] in "~-" else "") + "@" + term.lstrip("~-@") for term in word.split(",") if term]
    return " or ".join(terms)


def _refuse_malformed(expression: str) -> None:
    try:
        if _words(expression):
            parse(expression.replace(_PLACEHOLDER, "placeholder"))
            return
        reason = "it is empty"
    except TagExpressionError as error:
        reason = str(error).splitlines()[0].strip(" .")
    example = "@migration and not (@nats or @slow)"
    raise UsageError(f"-t '{expression}' is not a tag expression ({reason}): write one such as '{example}'")


def _refuse_unknown(expression: str, known: Collection[str]) -> None:
    for name in _names(expression):
        if name == _PLACEHOLDER or fnmatch.filter(known, name):
            continue
        near = difflib.get_close_matches(name, known, n=3)
        hint = f"did you mean {_listed(near, ' or ')}?" if near else f"there are {_listed(sorted(known), ', ')}"
        raise UsageError(f"-t '{expression}': no scenario can have the tag @{name}; {hint}")


def _listed(names: Sequence[str], separator: str) -> str:
    return separator.join(f"@{name}" for name in names)


def _names(expression: str) -> list[str]:
    return [word.removeprefix("@") for word in _words(expression) if word not in OPERATORS]


def _words(expression: str) -> list[str]:
    return re.findall(r"[^\s()]+", expression)
