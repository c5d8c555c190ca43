"""One action of somebody: whether they may, asked at the moment of writing, and what is put down.

Whoever asks is asked for their role again in the transaction of the action, which holds their
account's row until it is over: a role that was taken away a moment ago opens nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from sqlmodel import Session, col, select

from engine.access.audit import Action, Actor, Subject, Way, event
from engine.access.roles import Permission, may, role_of
from engine.access.tables import Account
from engine.clock import Clock
from engine.errors import ErrorCode, Refusal

_NOT_PERMITTED: Final = Refusal(
    ErrorCode.AUTHORIZATION_FAILED, "Your role does not permit this; nothing was changed."
)


class Permit:
    """Asks for a permission in a session, and writes the audit trail of what follows."""

    def __init__(
        self, session: Session, clock: Clock, actor: Actor, permission: Permission
    ) -> None:
        """Takes what it needs.

        Args:
            session: of the action; committed by the caller, also after a refusal.
            clock: for the events.
            actor: who asks.
            permission: what they need; at a terminal none is.
        """
        self.session = session
        self.clock = clock
        self.actor = actor
        self.permission = permission
        # What the actor is, once they were asked for.
        self.account: Account | None = None

    def refusal(
        self, action: Action, subject: Subject | None, *, own: UUID | None = None
    ) -> Refusal | None:
        """Why the actor may not do this, written down; None when they may.

        Args:
            action: what.
            subject: to what.
            own: whose it is: that account may do it without any role.
        """
        if self.actor.way is Way.TERMINAL:
            return None
        self.account = account = (
            None
            if self.actor.account_id is None
            else self.session.exec(
                select(Account)
                .where(col(Account.id) == self.actor.account_id)
                .with_for_update(read=True)
                .execution_options(populate_existing=True)
            ).one_or_none()
        )
        is_permitted = (
            account is not None
            and account.disabled_at is None
            and (may(role_of(account.role), self.permission) or account.id == own)
        )
        return None if is_permitted else self.refused(action, subject, _NOT_PERMITTED)

    def refused(self, action: Action, subject: Subject | None, why: Refusal) -> Refusal:
        """Writes down that something was not done."""
        self.session.add(event(self.clock, self.actor, action, subject=subject, refused=why.code))
        return why

    def done(
        self, action: Action, subject: Subject, details: Mapping[str, Any] | None = None
    ) -> None:
        """Writes down that something was done."""
        self.session.add(event(self.clock, self.actor, action, subject=subject, details=details))
        self.session.flush()
