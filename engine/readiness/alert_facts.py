"""From alerts to facts that contradict evidence: what an alert says of promises; pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from engine.alerting.measuring import threshold_of
from engine.alerting.rules import Burning, Rule, Standstill
from engine.alerting.specimens import comprises
from engine.readiness.contradictions import CRITICAL_ALERT, CRITICAL_CODES, RULE_CHANGED, Fact
from engine.rollups.counts import Traffic
from engine.slo.objectives import OBJECTIVES, Objective

_CRITICAL: Final = OBJECTIVES["critical_error_rate"]


def facts_of_alert(
    rule_id: str, rule: Rule | None, fired_at: datetime, message: str
) -> Iterator[Fact]:
    """The facts that a critical alert is.

    Args:
        rule_id: of its rule.
        rule: as the release has it; None when it has none of that id.
        fired_at: when it began.
        message: what it told.
    """
    told = " ".join(message.split())
    reason = f"{rule_id} fired at {fired_at:%Y-%m-%d %H:%M:%S} UTC: {told}"
    broken = frozenset() if rule is None else objectives_broken_by(rule)
    yield Fact(CRITICAL_ALERT, fired_at, reason, broken)
    if rule is not None and _counts_critical_codes(rule):
        yield Fact(CRITICAL_CODES, fired_at, reason)


def fact_of_change(rule_id: str, made_at: datetime) -> Fact:
    """The fact that somebody has changed a rule."""
    return Fact(
        RULE_CHANGED,
        made_at,
        f"{rule_id} was changed at {made_at:%Y-%m-%d %H:%M:%S} UTC",
    )


def objectives_broken_by(rule: Rule) -> frozenset[str]:
    """The keys of the objectives that do not hold over a rule's window while it is true."""
    return frozenset(key for key, each in OBJECTIVES.items() if _breaks(rule, each))


def _breaks(rule: Rule, objective: Objective) -> bool:
    condition = rule.condition
    if isinstance(condition, Standstill):
        return False
    if isinstance(condition, Burning):
        bad, of = condition.objective.bad, condition.objective.of
    else:
        if condition.operation is not None or condition.traffic is not Traffic.LIVE:
            return False
        bad, of = condition.bad, condition.of
    return (
        of is objective.of
        and comprises(objective.bad, bad)
        and threshold_of(condition) >= objective.limit
    )


def _counts_critical_codes(rule: Rule) -> bool:
    condition = rule.condition
    if isinstance(condition, Standstill):
        return False
    bad = condition.objective.bad if isinstance(condition, Burning) else condition.bad
    return comprises(_CRITICAL.bad, bad)
