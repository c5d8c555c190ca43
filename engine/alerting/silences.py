"""Silences: who wants not to be told of what, until when and why; made, looked at, ended early.

A silence only holds notices back. What it hides is evaluated, opened, put into the journal and
shown all the same, with the silence's id; and if it fires still when the silence is over, it is
told then.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlmodel import Session, col, or_, select

from engine.access.audit import Action, Actor, Subject
from engine.access.permits import Permit
from engine.access.roles import Permission
from engine.alerting.matching import Matcher
from engine.alerting.rules import Rule
from engine.alerting.tables import Alert, AlertSilence
from engine.clock import Clock
from engine.errors import ErrorCode, Refusal

# Whoever needs longer than that wants another rule, and has a lead to ask.
LONGEST: Final = timedelta(days=30)
PREVIEWED: Final = timedelta(hours=24)
_REASON_MAX: Final = 1_000


def add_silence(
    session: Session,
    clock: Clock,
    actor: Actor,
    rules: Sequence[Rule],
    *,
    matcher: Matcher,
    expires_at: datetime,
    reason: str,
) -> UUID | Refusal:
    """Makes a silence; returns its id. It holds from the next tick on.

    Args:
        session: committed by the caller, also after a refusal.
        clock: for instants and ids.
        actor: who wants it.
        rules: those in force.
        matcher: which alerts are meant.
        expires_at: until when, aware.
        reason: why, for those who wonder.
    """
    permit = Permit(session, clock, actor, Permission.HANDLE_ALERTS)
    refusal = permit.refusal(Action.SILENCE_ADDED, None)
    if refusal is not None:
        return refusal
    fault = _fault(matcher, expires_at, reason.strip(), clock.now(), rules)
    if fault is not None:
        why = Refusal(ErrorCode.QUOTE_VALIDATION_FAILED, f"{fault} Nothing was changed.")
        return permit.refused(Action.SILENCE_ADDED, None, why)
    silence = AlertSilence(
        id=clock.uuid7(),
        matcher=matcher.stored(),
        reason=reason.strip(),
        made_at=clock.now(),
        made_by=actor.name,
        account_id=actor.account_id,
        expires_at=expires_at,
    )
    session.add(silence)
    details = {
        **matcher.stored(),
        "reason": silence.reason,
        "expiresAt": expires_at.isoformat(),
    }
    permit.done(Action.SILENCE_ADDED, _subject(silence.id), details)
    return silence.id


def end_silence(session: Session, clock: Clock, actor: Actor, silence_id: UUID) -> Refusal | None:
    """Ends a silence before its time; one that is over stays so."""
    permit, subject = (
        Permit(session, clock, actor, Permission.HANDLE_ALERTS),
        _subject(silence_id),
    )
    refusal = permit.refusal(Action.SILENCE_ENDED, subject)
    if refusal is not None:
        return refusal
    silence = session.exec(
        select(AlertSilence).where(col(AlertSilence.id) == silence_id).with_for_update()
    ).one_or_none()
    if silence is None:
        return permit.refused(Action.SILENCE_ENDED, subject, _NO_SUCH_SILENCE)
    if silence.ended_at is None and clock.now() < silence.expires_at:
        silence.ended_at, silence.ended_by = clock.now(), actor.name
        session.add(silence)
        permit.done(Action.SILENCE_ENDED, subject, dict(silence.matcher))
    return None


def silences(session: Session, now: datetime, *, is_over: bool = False) -> Sequence[AlertSilence]:
    """The silences that hold, newest first; or all.

    Args:
        session: to read with.
        now: the present instant.
        is_over: whether those that are over are wanted, too.
    """
    query = select(AlertSilence).order_by(col(AlertSilence.made_at).desc())
    if not is_over:
        query = query.where(
            col(AlertSilence.ended_at).is_(None), col(AlertSilence.expires_at) > now
        )
    return session.exec(query).all()


def preview(
    session: Session, rules: Sequence[Rule], matcher: Matcher, now: datetime
) -> Sequence[Alert]:
    """The alerts that fired within the last 24 hours and that a silence would have hidden.

    Args:
        session: to read with.
        rules: those in force: of one that cannot be silenced nothing is hidden.
        matcher: of the silence.
        now: the present instant.

    Returns:
        Newest first; those that began before and had not ended by then are among them.
    """
    since = now - PREVIEWED
    fired = session.exec(
        select(Alert)
        .where(
            or_(
                col(Alert.fired_at) >= since,
                col(Alert.resolved_at).is_(None),
                col(Alert.resolved_at) >= since,
            )
        )
        .order_by(col(Alert.fired_at).desc())
    )
    silenceable = {rule.id for rule in rules if rule.is_silenceable}
    return [
        alert
        for alert in fired
        if alert.rule_id in silenceable
        and matcher.fits(alert.rule_id, alert.severity, alert.error_code)
    ]


def _fault(
    matcher: Matcher, expires_at: datetime, reason: str, now: datetime, rules: Sequence[Rule]
) -> str | None:
    """Why a silence cannot be made; None when it can."""
    if matcher.is_empty:
        return "Say which alerts: a rule, a severity or a code."
    if not 0 < len(reason) <= _REASON_MAX:
        return f"Say why, in up to {_REASON_MAX} characters."
    if not now < expires_at <= now + LONGEST:
        return f"It has to end later than now, and within {LONGEST.days} days."
    fitting = [rule for rule in rules if matcher.rule is None or _names(matcher, rule)]
    if not fitting:
        return f"There is no rule {matcher.rule}."
    if not any(rule.is_silenceable for rule in fitting):
        return "The watchdog cannot be silenced."
    return None


def _names(matcher: Matcher, rule: Rule) -> bool:
    return Matcher(rule=matcher.rule).fits(rule.id, rule.severity.name, "")


def _subject(silence_id: UUID) -> Subject:
    return Subject("silence", str(silence_id))


_NO_SUCH_SILENCE: Final = Refusal(
    ErrorCode.QUOTE_VALIDATION_FAILED, "There is no such silence; nothing was changed."
)
