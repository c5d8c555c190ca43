"""Somebody changes a rule of this installation: checked as the rules themselves are, then in force.

What the lint refuses is refused, with its reasons. A change is never edited: the newest one of a
rule counts, and an empty one takes everything back.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, TypeAlias
from uuid import UUID

from sqlmodel import Session, col, select, text

from engine.access.audit import Action, Actor, Subject
from engine.access.permits import Permit
from engine.access.roles import Permission
from engine.alerting.changes import changed_rule, in_force
from engine.alerting.lint import Finding, lint
from engine.alerting.loading import own_rules
from engine.alerting.rule_tests import RuleTest, own_tests
from engine.alerting.rules import Rule, Share
from engine.alerting.states import RuleState
from engine.alerting.tables import AlertRuleChange
from engine.clock import Clock
from engine.errors import ErrorCode, Refusal, SetupError

_REASON_MAX: Final = 1_000
# Of two changes at once the second is held against the rules with the first in them.
_ONE_AT_A_TIME: Final = "SELECT pg_advisory_xact_lock(hashtext('saveguard.alerting.rule_change'))"

Changes: TypeAlias = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class RuleChange:
    """Somebody has changed a rule.

    Attributes:
        made_at: when.
        made_by: who.
        reason: why.
        body: what differs from the release's rule since; {} for nothing.
    """

    made_at: datetime
    made_by: str
    reason: str
    body: Mapping[str, Any]


def change_rule(
    session: Session,
    clock: Clock,
    actor: Actor,
    *,
    rule_id: str,
    body: Mapping[str, Any],
    reason: str,
    sections: Collection[str] | None = None,
) -> UUID | Refusal:
    """Puts down a change of a rule; returns its id. It holds from the next tick on.

    Args:
        session: committed by the caller, also after a refusal.
        clock: for instants and ids.
        actor: who wants it.
        rule_id: of a rule of this release.
        body: what differs from the release's rule, see `changes.changed_rule`; {} takes all back.
        reason: why, for those who wonder.
        sections: of the runbook; None where it is not installed.
    """
    permit, subject = Permit(session, clock, actor, Permission.CHANGE_RULES), _subject(rule_id)
    refusal = permit.refusal(Action.RULE_CHANGED, subject)
    if refusal is not None:
        return refusal
    session.connection().execute(text(_ONE_AT_A_TIME))
    changes = newest_changes(session)
    fault = _fault(rule_id, body, reason.strip(), changes, sections)
    if fault:
        why = Refusal(ErrorCode.QUOTE_VALIDATION_FAILED, f"{fault} Nothing was changed.")
        return permit.refused(Action.RULE_CHANGED, subject, why)
    change = AlertRuleChange(
        id=clock.uuid7(),
        rule_id=rule_id,
        made_at=clock.now(),
        made_by=actor.name,
        account_id=actor.account_id,
        reason=reason.strip(),
        body=dict(body),
    )
    session.add(change)
    details = {"old": dict(changes.get(rule_id, {})), "new": dict(body), "reason": change.reason}
    permit.done(Action.RULE_CHANGED, subject, details)
    return change.id


def newest_changes(session: Session) -> Changes:
    """What is changed of each rule of which anything ever was, by its id."""
    found = session.exec(
        select(AlertRuleChange).order_by(col(AlertRuleChange.made_at), col(AlertRuleChange.id))
    )
    return {each.rule_id: each.body for each in found}


def rules_of(session: Session) -> Sequence[Rule]:
    """The rules in force, as a transaction of somebody's act finds them."""
    return _standing(own_rules(), newest_changes(session))


def changes_of(session: Session, rule_id: str) -> tuple[RuleChange, ...]:
    """The changes of a rule, newest first."""
    found = session.exec(
        select(AlertRuleChange)
        .where(col(AlertRuleChange.rule_id) == rule_id)
        .order_by(col(AlertRuleChange.made_at).desc(), col(AlertRuleChange.id).desc())
    )
    return tuple(RuleChange(each.made_at, each.made_by, each.reason, each.body) for each in found)


def new_findings(
    rule: Rule,
    body: Mapping[str, Any],
    changes: Changes,
    sections: Collection[str] | None,
    *,
    rules: Sequence[Rule],
    tests: Sequence[RuleTest],
) -> tuple[Finding, ...]:
    """What the lint finds with a change that it does not find without.

    How long attempts may be missing, be it for ever, is the installation's to say, and not held
    against anything. Of the rule's own tests only those count in which it has to fire: a change may
    make it say more than its quiet ones allow, which is for whoever has walked it through the past
    to judge.

    Args:
        rule: of the release.
        body: what is to differ from it.
        changes: what is changed already, by rule.
        sections: of the runbook; None where it is not installed.
        rules: all of the release.
        tests: of them; those in which this rule has to fire are run.

    Raises:
        SetupError: the change cannot be made; it names rule and field.
    """
    # The others' are not run again: they come out as before, and all of them take seconds.
    own = tuple(_loud(each, rule) for each in tests if each.must_fire and each.is_of(rule))
    before = lint(_standing(rules, changes), own, sections)
    held = {name: said for name, said in body.items() if not _is_wait(rule, name)}
    after = lint(_standing(rules, {**changes, rule.id: held}), own, sections)
    known = set(before)
    return tuple(each for each in after if each not in known)


def _is_wait(rule: Rule, name: str) -> bool:
    return name == "no_data_after" and isinstance(rule.condition, Share)


def _loud(test: RuleTest, rule: Rule) -> RuleTest:
    """A test of one rule that asks for nothing but that it fires when it has to."""
    firing = {after: state for after, state in test.at.items() if state is RuleState.FIRING}
    return replace(test, rules=(rule.id,), at=firing)


def _standing(rules: Sequence[Rule], changes: Changes) -> Sequence[Rule]:
    """The rules in force; one whose change another release has made stands as this one has it."""
    found: list[Rule] = []
    for rule in rules:
        try:
            found += in_force([rule], changes)
        except SetupError:
            found.append(rule)
    return found


def _fault(
    rule_id: str,
    body: Mapping[str, Any],
    reason: str,
    changes: Changes,
    sections: Collection[str] | None,
) -> str:
    """Why a change cannot be made, in sentences; empty when it can."""
    rules = own_rules()
    rule = next((each for each in rules if each.id == rule_id), None)
    if rule is None:
        return "There is no such rule."
    if not 0 < len(reason) <= _REASON_MAX:
        return f"Say why, in up to {_REASON_MAX} characters."
    if dict(body) == dict(changes.get(rule_id, {})):
        return "The rule is as that already."
    try:
        changed_rule(rule, body)
        findings = new_findings(rule, body, changes, sections, rules=rules, tests=own_tests())
    except SetupError as error:
        return f"{error}."
    return " ".join(f"{each.what}: {each.message}" for each in findings)


def _subject(rule_id: str) -> Subject:
    return Subject("alert rule", rule_id)
