"""Which alerts are only signs of another one: pure, and data.

When the database does not answer, saves fail, their spool fills, and nobody evaluates: a page for
each would bury the one that matters. When nobody has evaluated for a while, nobody has rolled or
swept either, most likely. What is muted so stays in the journal, with its cause.
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


def is_sign(rule: Rule, of: Rule) -> bool:
    """Whether a rule fires by itself when another one does, and says nothing more."""
    match _watches(of.condition):
        case Watched.DATABASE:
            return rule is not of and _fails_without_database(rule.condition)
        case Watched.EVALUATOR:
            # Their processes are mostly one, and nobody looked in between.
            return _watches(rule.condition) in {Watched.ROLLER, Watched.SPOOL}
        case _:
            return False


def causes(rules: Collection[Rule], firing: Collection[str]) -> Mapping[str, str]:
    """By the id of each rule that is only a sign of another one that fires: the id of that one.

    Args:
        rules: all of them.
        firing: ids of those that fire.
    """
    found: dict[str, str] = {}
    for watched in (Watched.EVALUATOR, Watched.DATABASE):  # the deeper cause has the last word
        for cause in rules:
            if cause.id in firing and _watches(cause.condition) is watched:
                found |= {rule.id: cause.id for rule in rules if is_sign(rule, cause)}
    return found


def _fails_without_database(condition: Condition) -> bool:
    match condition:
        case Share(bad=bad):
            return bad.key in _SYMPTOMS
        case Burning(objective=objective):
            return objective.bad.key in _SYMPTOMS
        case Standstill():
            return True
        case _:
            assert_never(condition)


def _watches(condition: Condition) -> Watched | None:
    return condition.watched if isinstance(condition, Standstill) else None
