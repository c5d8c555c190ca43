"""Changing one's own password: whoever only sits at an open page must not be able to.

The old one is asked for, and wrong ones are counted by account as those at the sign-in are.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlmodel import Session, col, select

from engine.access.administration import one_at_a_time, set_password
from engine.access.audit import Action, Actor, Subject, event
from engine.access.passwords import is_right
from engine.access.tables import Account, AccountPassword, AuditEvent
from engine.access.waiting import try_again
from engine.clock import Clock
from engine.errors import ErrorCode, Refusal
from engine.settings import Settings

# Wrong passwords count for so long.
_COUNTED: Final = timedelta(minutes=15)
_WRONG: Final = Refusal(
    ErrorCode.AUTHENTICATION_FAILED, "The present password is not right; nothing was changed."
)


def change_own_password(
    session: Session, clock: Clock, settings: Settings, actor: Actor, *, old: str, new: str
) -> Refusal | None:
    """Sets the password of whoever asks, who knows the present one; every sign-in of theirs ends.

    Args:
        session: committed by the caller, also after a refusal.
        clock: for now.
        settings: how many wrong passwords there may be.
        actor: who asks.
        old: the present password, as typed.
        new: the other one, as typed.

    Returns:
        AUTHENTICATION_FAILED for a wrong one, RATE_LIMIT_EXCEEDED after too many of those, and
        QUOTE_VALIDATION_FAILED for a new one that is not fit to be one.
    """
    account_id = actor.account_id
    stored = None if account_id is None else session.get(AccountPassword, account_id)
    if account_id is None or stored is None:
        return unfit(session, clock, actor, _WRONG)
    # One at a time for each account, or a burst would be let in before it is counted.
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"),
        {"key": f"saveguard.own-password {account_id}"},
    )
    wait_s = _wait_s(session, clock, settings.bad_passwords, account_id)
    if wait_s > 0:
        return unfit(session, clock, actor, _too_many(wait_s, clock.now()))
    # Who sets a password holds the account's row; nobody else does from here on.
    one_at_a_time(session)
    session.refresh(session.get_one(Account, account_id), with_for_update=True)
    session.refresh(stored)
    if not is_right(old, stored.password_hash):
        return unfit(session, clock, actor, _WRONG)
    return set_password(session, clock, actor, account_id, new)


def unfit(session: Session, clock: Clock, actor: Actor, why: Refusal) -> Refusal:
    """Writes down that a password was not changed, and returns why."""
    subject = None if actor.account_id is None else Subject("account", str(actor.account_id))
    session.add(event(clock, actor, Action.PASSWORD_SET, subject=subject, refused=why.code))
    return why


def _wait_s(session: Session, clock: Clock, most: int, account_id: UUID) -> float:
    """Seconds until another password may be tried; 0 when one may be now."""
    happened = col(AuditEvent.happened_at)
    wrong = session.exec(
        select(happened)
        .where(
            col(AuditEvent.subject_kind) == "account",
            col(AuditEvent.subject_id) == str(account_id),
            happened > clock.now() - _COUNTED,
            col(AuditEvent.action) == Action.PASSWORD_SET.value,
            col(AuditEvent.error_code) == ErrorCode.AUTHENTICATION_FAILED.value,
        )
        .order_by(happened.desc())
        .limit(most)
    ).all()
    # The one that makes it too many has to be long enough ago.
    return (wrong[-1] + _COUNTED - clock.now()).total_seconds() if len(wrong) == most else 0.0


def _too_many(wait_s: float, now: datetime) -> Refusal:
    return Refusal(
        ErrorCode.RATE_LIMIT_EXCEEDED,
        f"Too many wrong passwords. {try_again(now, wait_s)}",
        {"retryAfterSeconds": max(math.ceil(wait_s), 1)},
    )
