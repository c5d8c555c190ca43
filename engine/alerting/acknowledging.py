"""Somebody has an alert in hand, and says what it turned out to be."""

from __future__ import annotations

from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlmodel import Session, col, select

from engine.access.audit import Action, Actor, Subject
from engine.access.permits import Permit
from engine.access.roles import Permission
from engine.alerting.tables import Alert
from engine.clock import Clock
from engine.errors import ErrorCode, Refusal

_REMARK_MAX: Final = 2_000


class Disposition(StrEnum):
    """What an alert turned out to be."""

    REAL = "real"
    # Something was the matter, and was known to be: a migration, a drill.
    EXPECTED = "expected"
    # Nothing was the matter; its rule has to be looked at.
    FALSE = "false alarm"


def acknowledge(
    session: Session,
    clock: Clock,
    actor: Actor,
    alert_id: UUID,
    *,
    disposition: Disposition | None = None,
    remark: str = "",
) -> Refusal | None:
    """Takes an alert in hand, so that it is not repeated; the first to do so stays named.

    Whoever comes later may still say what it turned out to be.

    Args:
        session: committed by the caller, also after a refusal.
        clock: for the instant.
        actor: who.
        alert_id: which; it may be over.
        disposition: what it turned out to be; None while that is not known.
        remark: why, or what was done.
    """
    permit, subject = (
        Permit(session, clock, actor, Permission.HANDLE_ALERTS),
        Subject("alert", str(alert_id)),
    )
    refusal = permit.refusal(Action.ALERT_ACKNOWLEDGED, subject)
    if refusal is not None:
        return refusal
    said = remark.strip()
    if len(said) > _REMARK_MAX:
        return permit.refused(Action.ALERT_ACKNOWLEDGED, subject, _TOO_LONG)
    # A tick that is about to end it writes other columns, and waits for this row no longer than
    # this transaction takes.
    alert = session.exec(
        select(Alert).where(col(Alert.id) == alert_id).with_for_update()
    ).one_or_none()
    if alert is None:
        return permit.refused(Action.ALERT_ACKNOWLEDGED, subject, _NO_SUCH_ALERT)
    if alert.acknowledged_at is None:
        alert.acknowledged_at, alert.acknowledged_by = clock.now(), actor.name
    if disposition is not None:
        alert.disposition = disposition.value
    if said:
        alert.remark = said
    session.add(alert)
    details = {
        "rule": alert.rule_id,
        "disposition": None if disposition is None else disposition.value,
        "remark": said or None,
    }
    permit.done(
        Action.ALERT_ACKNOWLEDGED,
        subject,
        {name: value for name, value in details.items() if value is not None},
    )
    return None


_TOO_LONG: Final = Refusal(
    ErrorCode.QUOTE_VALIDATION_FAILED,
    f"A remark has at most {_REMARK_MAX} characters; nothing was changed.",
)
_NO_SUCH_ALERT: Final = Refusal(
    ErrorCode.QUOTE_VALIDATION_FAILED, "There is no such alert; nothing was changed."
)
