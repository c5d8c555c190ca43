"""Which alerts are only signs of another one: pure, and data.

When the database does not answer, saves fail, their spool fills, and nobody evaluates: a page for
each would bury the one that matters. What is muted so stays in the journal, with its cause.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final, assert_never

from engine.alerting.rules import Burning, Condition, Rule, Share, Standstill, Watched

# What callers do wrong is no sign of anything; a part that is not named here is told.
_SYMPTOMS: Final = frozenset(
    {
        "aborted",
        "critical",
        "critical_and_already_sent",
        "internal_errors",
        "not_persisted",
        "over_p95",
        "over_p99",
        "rolled_back",
        "service_failures",
        "timeouts",
        "unsuccessful",
    }
)


def is_cause(rule: Rule) -> bool:
    """Whether others are only signs of this one while it fires."""
    return _watches(rule.condition) is Watched.DATABASE


def is_symptom(rule: Rule) -> bool:
    """Whether it comes by itself when the database does not answer."""
    if is_cause(rule):
        return False
    match rule.condition:
        case Share(bad=bad):
            return bad.key in _SYMPTOMS
        case Burning(objective=objective):
            return objective.bad.key in _SYMPTOMS
        case Standstill():
            return True
        case _:
            assert_never(rule.condition)


def causes(rules: Collection[Rule], firing: Collection[str]) -> Mapping[str, str]:
    """By the id of each rule that is only a sign of another: the id of that one.

    Args:
        rules: all of them.
        firing: ids of those that fire.
    """
    cause = next((rule.id for rule in rules if rule.id in firing and is_cause(rule)), None)
    return {} if cause is None else {rule.id: cause for rule in rules if is_symptom(rule)}


def _watches(condition: Condition) -> Watched | None:
    return condition.watched if isinstance(condition, Standstill) else None
