"""The rules in force: those of the release with what an installation has changed; and their digest.

A change is a mapping of the names of rules.toml. It may make a rule stricter or laxer, quicker or
slower, or put it out of force; what it counts and whom it tells is the release's to say.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import Any

from engine.alerting.loading import (
    Fields,
    read_count,
    read_flag,
    read_positive_span,
    read_share,
    read_span,
    read_wait,
)
from engine.alerting.rules import Burning, Condition, Rule, Share, Standstill
from engine.alerting.tallies import CHANCE, STILL_CHANCE
from engine.alerting.usual import MEANINGFUL
from engine.errors import SetupError


def in_force(rules: Sequence[Rule], changes: Mapping[str, Mapping[str, Any]]) -> tuple[Rule, ...]:
    """The rules with what was changed; those that are not enabled are left out.

    Args:
        rules: of the release.
        changes: the newest `alert_rule_change.body` of each rule that has one, by its id. One of a
            rule that this release does not have says nothing.

    Raises:
        SetupError: a change cannot be made; it names rule and field.
    """
    changed = (changed_rule(rule, changes.get(rule.id, {})) for rule in rules)
    return tuple(rule for rule in changed if rule is not None)


def changed_rule(rule: Rule, body: Mapping[str, Any]) -> Rule | None:
    """One rule with what was changed of it; None if that puts it out of force.

    Args:
        rule: of the release.
        body: of `alert_rule_change`: any of threshold, least, hold, keep, no_data_after, enabled,
            as rules.toml has them, no_data_after also as "never"; {} changes nothing.

    Raises:
        SetupError: a change cannot be made; it names rule and field.
    """
    fields = Fields(rule.id, body)
    changed = replace(
        rule,
        condition=_condition(rule.condition, fields),
        hold=fields.take("hold", read_span, rule.hold),
        keep=fields.take("keep", read_span, rule.keep),
        no_data_after=_no_data_after(rule, fields),
    )
    is_enabled = fields.take("enabled", read_flag, True)  # noqa: FBT003  # its default
    fields.end(f"what may be changed of it: {', '.join(changeable(rule))}")
    if not is_enabled and not rule.is_silenceable:
        raise SetupError(f"alert rule {rule.id}: enabled: the watchdog cannot be put out of force")
    return changed if is_enabled else None


def changeable(rule: Rule) -> tuple[str, ...]:
    """The fields that a change of this rule may name."""
    own: tuple[str, ...] = ()
    if isinstance(rule.condition, Share):
        own = ("threshold", "least")
    elif isinstance(rule.condition, Burning):
        # Its threshold follows from the objective.
        own = ("least",)
    no_data = () if rule.no_data_after is None else ("no_data_after",)
    return (*own, "hold", "keep", *no_data, "enabled")


def digest_of(rules: Sequence[Rule]) -> bytes:
    """SHA-256 of some rules, whatever their order: equal if they decide alike and tell the same."""
    plain = {
        "chances": [CHANCE, STILL_CHANCE],
        "usual": MEANINGFUL,
        "rules": [_plain(rule) for rule in sorted(rules, key=_id)],
    }
    written = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return sha256(written.encode("ascii")).digest()


def _id(rule: Rule) -> str:
    return rule.id


def _condition(condition: Condition, fields: Fields) -> Condition:
    match condition:
        case Share():
            return replace(
                condition,
                above=fields.take("threshold", read_share, condition.above),
                least=fields.take("least", read_count, condition.least),
            )
        case Burning():
            return replace(condition, least=fields.take("least", read_count, condition.least))
        case Standstill():
            return condition


def _no_data_after(rule: Rule, fields: Fields) -> timedelta | None:
    if rule.no_data_after is None:
        return None
    # A watchdog that knows nothing says so, sooner or later.
    is_watchdog = isinstance(rule.condition, Standstill)
    return fields.take(
        "no_data_after", read_positive_span if is_watchdog else read_wait, rule.no_data_after
    )


def _plain(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "name": rule.name,
        "severity": rule.severity.name,
        "condition": _plain_condition(rule.condition),
        "channels": list(rule.channels),
        "hold_s": rule.hold.total_seconds(),
        "keep_s": rule.keep.total_seconds(),
        "no_data_after_s": rule.no_data_after and rule.no_data_after.total_seconds(),
        "guards": sorted(rule.guards),
        "runbook": rule.runbook,
        "group": rule.group,
        "silenceable": rule.is_silenceable,
    }


def _plain_condition(condition: Condition) -> dict[str, Any]:
    match condition:
        case Share():
            return {
                "bad": condition.bad.key,
                "of": condition.of.key,
                "above": condition.above,
                "window_s": condition.window.total_seconds(),
                "operation": None if condition.operation is None else condition.operation.name,
                "least": condition.least,
                "traffic": condition.traffic.name,
            }
        case Burning():
            return {
                "objective": condition.objective.key,
                "limit": condition.objective.limit,
                "bad": condition.objective.bad.key,
                "of": condition.objective.of.key,
                "long_s": condition.pair.long.total_seconds(),
                "short_s": condition.pair.short.total_seconds(),
                "factor": round(condition.pair.factor, 9),
                "least": condition.least,
            }
        case Standstill():
            return {"watched": condition.watched.value, "intervals": condition.intervals}
