"""Rules that follow from the objectives: burn rates, and a slow budget where there is no other.

An objective with `burns` has a rule for each pair of windows. Of the pairs only the slowest speaks
of the objective itself: its factor is 1. Every other objective that none of those guards has the
slowest pair alone, told to nobody at night: it says within hours that a budget will not last.
"""

from __future__ import annotations

from datetime import timedelta
from math import ceil
from typing import Final

from engine.alerting.rules import AlertSeverity, Burning, Rule
from engine.alerting.specimens import comprises
from engine.slo.burn import PAIRS, BurnPair
from engine.slo.objectives import OBJECTIVES, Objective

_LOUD: Final = ("telegram", "webhook")
_QUIET: Final = ("webhook",)
_KEEP: Final = timedelta(minutes=5)
# A rate over so much shorter a time than its window hardly moves: it would flap at its threshold.
_KEPT_SHARE: Final = 6
_NOT_LASTING: Final = "budget does not last"
_GROUPS: Final = {"latency_p95": "latency", "latency_p99": "latency"}


def derived_rules() -> tuple[Rule, ...]:
    """The rules of all objectives, those of burn rates first."""
    rules = [
        _burn_rule(objective, number, pair)
        for objective in OBJECTIVES.values()
        if objective.burns
        for number, pair in enumerate(PAIRS, 1)
    ]
    for objective in OBJECTIVES.values():
        if not any(objective.key in rule.guards for rule in rules):
            rules.append(_budget_rule(objective))
    return tuple(rules)


def guarded_by(burning: Burning) -> frozenset[str]:
    """The objectives that a burn rate keeps: none unless its factor is 1.

    It keeps those of others, too, whose bad attempts it counts and whose limit is no stricter.
    """
    if burning.pair.factor > 1:
        return frozenset()
    mine = burning.objective
    return frozenset(
        each.key
        for each in OBJECTIVES.values()
        if each.of is mine.of and each.limit >= mine.limit and comprises(mine.bad, each.bad)
    )


def _burn_rule(objective: Objective, number: int, pair: BurnPair) -> Rule:
    condition = Burning(objective, pair, _least(objective.limit * pair.factor))
    return Rule(
        id=f"BURN-{objective.key}-{number}",
        name=f"{objective.title}: {_burns(pair)}",
        severity=AlertSeverity.of(pair.severity),
        condition=condition,
        channels=_LOUD,
        keep=max(_KEEP, pair.short / _KEPT_SHARE),
        guards=guarded_by(condition),
        runbook=f"BURN-{objective.key}",
        group=_GROUPS.get(objective.key, "failures"),
    )


def _burns(pair: BurnPair) -> str:
    if pair.factor > 1:
        return f"budget burns {pair.factor:.3g} times too fast"
    return _NOT_LASTING


def _budget_rule(objective: Objective) -> Rule:
    pair = PAIRS[-1]
    condition = Burning(objective, pair, _least(objective.limit * pair.factor))
    return Rule(
        id=f"BUDGET-{objective.key}",
        name=f"{objective.title}: {_NOT_LASTING}",
        severity=AlertSeverity.MEDIUM,
        condition=condition,
        channels=_QUIET,
        keep=pair.short / _KEPT_SHARE,
        guards=guarded_by(condition),
        runbook=f"BUDGET-{objective.key}",
        group="budgets",
    )


def _least(threshold: float) -> int:
    """As many attempts as it takes for one bad one to be no more than the threshold allows."""
    return ceil(round(1 / threshold, 6))
