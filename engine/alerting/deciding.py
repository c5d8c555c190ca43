"""From what evaluation says of a rule to what is to be written down and told; pure.

An alert is one stretch of firing: it is opened when its rule fires and none is open, and resolved
when the rule does not fire any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from engine.alerting import telling
from engine.alerting.rules import AlertCode, AlertSeverity, Burning, Rule
from engine.alerting.states import Decision, Measured, Memory, RuleState
from engine.alerting.telling import Telling
from engine.alerting.worst import Worst, bad_of
from engine.correlation import make_correlation_id
from engine.errors import ErrorCode


@dataclass(frozen=True, slots=True)
class OpenAlert:
    """An alert that fires, as the table has it or is to have it.

    Attributes:
        id: of the alert.
        rule_id: of its rule.
        severity: how loudly it speaks; as it was when it began.
        error_code: an error code or an `AlertCode`.
        correlation_id: of the worst attempt when it began, or of the evaluation.
        message: what is the matter.
        numbers: that made it fire.
        fired_at: when it began.
        told_at: when somebody was last told that it fires; None if never.
        acknowledged_at: when somebody took it in hand; None if nobody has.
        muted_by: what holds it back; None if nothing does.
    """

    id: UUID
    rule_id: str
    severity: AlertSeverity
    error_code: str
    correlation_id: str
    message: str
    numbers: Mapping[str, Any]
    fired_at: datetime
    told_at: datetime | None = None
    acknowledged_at: datetime | None = None
    muted_by: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Transition:
    """A rule went from one state into another.

    Attributes:
        id: of the transition; its evaluation has a correlation id made of it.
        before: the state it was in.
        correlation_id: of the worst attempt, or of this evaluation.
    """

    id: UUID
    before: RuleState
    correlation_id: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was looked up because a rule changed its state.

    Attributes:
        worst: the worst attempt of its window; None if there is none.
        numbers: what an alert says besides the rule's own numbers.
    """

    worst: Worst | None = None
    numbers: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a rule in one look.

    Attributes:
        rule: which.
        memory: what is remembered of it.
        reason: why it is in its state.
        numbers: that decided.
        transition: None when it stays in its state.
        alert: the one that fires, or that has just ended; None without any.
        is_new: whether the alert begins.
        is_over: whether it ends.
        told: whether somebody is told, and why or why not; None without an alert.
    """

    rule: Rule
    memory: Memory
    reason: str
    numbers: Mapping[str, Any]
    transition: Transition | None = None
    alert: OpenAlert | None = None
    is_new: bool = False
    is_over: bool = False
    told: Telling | None = None


def error_code(rule: Rule, decision: Decision, worst: Worst | None) -> str:
    """What stands in `errorCode` of an alert that begins."""
    if decision.is_no_data:
        return AlertCode.NO_DATA.value
    bad = bad_of(rule.condition)
    if bad is None:
        return AlertCode.WATCHDOG_STALLED.value
    if not bad.is_slow:
        if worst is not None and worst.code is not None:
            return worst.code.value
        # Rolled back and then saved after all: the attempts have no code of their own.
        return ErrorCode.DATABASE_TRANSACTION_ABORTED.value
    if isinstance(rule.condition, Burning):
        return AlertCode.ERROR_BUDGET_BURNING.value
    return AlertCode.LATENCY_OVER_OBJECTIVE.value


def message(rule: Rule, reason: str) -> str:
    """What is the matter, in a sentence or two: what both begin with is said once."""
    subject, _, rest = reason.partition(": ")
    is_said = rest and f"{rule.name}: ".startswith(f"{subject}: ")
    return f"{rule.name}: {rest if is_said else reason}"


def opened(
    rule: Rule,
    decision: Decision,
    measured: Measured,
    evidence: Evidence,
    now: datetime,
    ids: tuple[UUID, UUID],
) -> OpenAlert:
    """The alert of a rule that begins to fire.

    Args:
        rule: which.
        decision: what evaluation says.
        measured: what it decided from.
        evidence: what was looked up besides.
        now: when it begins.
        ids: of the alert, and of the transition that opens it.
    """
    alert_id, transition_id = ids
    return OpenAlert(
        id=alert_id,
        rule_id=rule.id,
        severity=rule.severity,
        error_code=error_code(rule, decision, evidence.worst),
        correlation_id=_correlation_id(evidence, transition_id),
        message=message(rule, decision.reason),
        numbers={**evidence.numbers, **measured.numbers},
        fired_at=now,
    )


def decided(
    rule: Rule,
    before: Memory,
    decision: Decision,
    measured: Measured,
    evidence: Evidence,
    alert: OpenAlert | None,
    muted_by: Mapping[str, str] | None,
    now: datetime,
    transition_id: UUID,
    *,
    is_new: bool,
) -> Verdict:
    """What becomes of a rule.

    Args:
        rule: which.
        before: what was remembered of it.
        decision: what evaluation says.
        measured: what it decided from.
        evidence: what was looked up besides, where the state is new.
        alert: the one that is open, or that begins now; None without any.
        muted_by: what holds it back; None if nothing does.
        now: the present instant.
        transition_id: of the transition, should there be one.
        is_new: whether the alert begins now.
    """
    memory = decision.memory
    is_over = alert is not None and memory.state is not RuleState.FIRING
    told = None
    if alert is not None and is_over:
        told = telling.of_end(alert.told_at)
    elif alert is not None:
        told = telling.of_firing(
            alert.severity,
            now,
            is_new=is_new,
            is_muted=muted_by is not None,
            is_acknowledged=alert.acknowledged_at is not None,
            told_at=alert.told_at,
        )
        told_at = alert.told_at if told.kind is None else now
        alert = replace(alert, muted_by=muted_by, told_at=told_at)
    kept = before.alert_id if memory.state is RuleState.RESOLVED else None
    transition = None
    if decision.is_new or is_new or is_over:
        own = _correlation_id(evidence, transition_id)
        transition = Transition(transition_id, before.state, own)
    return Verdict(
        rule=rule,
        memory=replace(memory, alert_id=kept if alert is None else alert.id),
        reason=decision.reason,
        numbers={**evidence.numbers, **measured.numbers},
        transition=transition,
        alert=alert,
        is_new=is_new,
        is_over=is_over,
        told=told,
    )


def _correlation_id(evidence: Evidence, transition_id: UUID) -> str:
    """Of the worst attempt, or of this evaluation: that of a transition, spelled as others are."""
    if evidence.worst is not None:
        return evidence.worst.correlation_id
    return make_correlation_id(transition_id)
