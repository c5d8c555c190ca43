"""An account's API keys: made, found, rotated, revoked.

Plain functions on a session: who may call them, and what the audit trail says of it, is for the
caller. A process that has just seen a key trusts it a little longer: `identity_lifetime`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import Enum
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import update
from sqlmodel import Session, col, select

from engine.access.keys import Scope, hash_api_key, make_api_key
from engine.access.tables import ApiKey
from engine.clock import Clock


class NewKey(NamedTuple):
    """A key just made, in clear for the one time.

    Attributes:
        key_id: what it is called from now on.
        api_key: the key.
        expires_at: None when it does not.
    """

    key_id: UUID
    api_key: str
    expires_at: datetime | None = None

    def __repr__(self) -> str:
        """Without the key: what is printed ends up in logs."""
        return f"NewKey(key_id={self.key_id!r}, expires_at={self.expires_at!r})"


class Unrotatable(Enum):
    """Why a key is not rotated, as the end of a sentence about it."""

    REVOKED = "is revoked"
    EXPIRED = "has expired"
    REPLACED = "was rotated already"


def add_key(
    session: Session,
    clock: Clock,
    account_id: UUID,
    *,
    name: str | None = None,
    scope: Scope = Scope.WRITE,
    expires_at: datetime | None = None,
) -> NewKey:
    """Makes one more key for an account; those that it has go on working.

    Args:
        session: of the transaction that it is to be part of.
        clock: for its instant, its id and its chance.
        account_id: whose.
        name: what its owner calls it.
        scope: what it is for.
        expires_at: when it stops working; None for never.
    """
    api_key = make_api_key(clock)
    key_id = clock.uuid7()
    session.add(
        ApiKey(
            id=key_id,
            account_id=account_id,
            key_hash=hash_api_key(api_key),
            created_at=clock.now(),
            name=name,
            scope=scope.value,
            expires_at=expires_at,
        )
    )
    session.flush()
    return NewKey(key_id, api_key, expires_at)


def keys_of(session: Session, account_id: UUID) -> Sequence[ApiKey]:
    """An account's keys, ended ones included, oldest first."""
    of_account = select(ApiKey).where(ApiKey.account_id == account_id)
    return session.exec(of_account.order_by(col(ApiKey.created_at), col(ApiKey.id))).all()


def find_key(session: Session, key_id: UUID) -> ApiKey | None:
    """The key with an id, ended or not."""
    return session.get(ApiKey, key_id)


def rotate(session: Session, clock: Clock, key: ApiKey, overlap: timedelta) -> NewKey | Unrotatable:
    """Makes a key that takes another's place: of the same name and scope, and to live as long.

    The old one works on for a while, never longer than it would have.

    Args:
        session: of the transaction that it is to be part of; holds the key.
        clock: for the instant.
        key: the old one; changed.
        overlap: how long both work.

    Returns:
        The new one; or why there is none, nothing being changed then.
    """
    # Two that rotate one key at once would leave a key that nobody knows of.
    session.refresh(key, with_for_update=True)
    now = clock.now()
    refused = why_not_rotated(key, now)
    if refused is not None:
        return refused
    expires_at = None if key.expires_at is None else now + (key.expires_at - key.created_at)
    made = add_key(
        session,
        clock,
        key.account_id,
        name=key.name,
        scope=Scope(key.scope),
        expires_at=expires_at,
    )
    ends_at = now + overlap
    key.expires_at = ends_at if key.expires_at is None else min(key.expires_at, ends_at)
    key.replaced_by = made.key_id
    session.add(key)
    session.flush()
    return made


def why_not_rotated(key: ApiKey, now: datetime) -> Unrotatable | None:
    """What a key has against being rotated; None when nothing.

    One that has ended is not brought back to life by whoever still has its id.
    """
    if key.revoked_at is not None:
        return Unrotatable.REVOKED
    if key.replaced_by is not None:
        return Unrotatable.REPLACED
    if key.expires_at is not None and key.expires_at <= now:
        return Unrotatable.EXPIRED
    return None


def revoke(session: Session, now: datetime, keys: Sequence[ApiKey]) -> frozenset[UUID]:
    """Revokes those of the keys that are not revoked yet; returns their ids."""
    revoked = session.execute(
        update(ApiKey)
        .where(col(ApiKey.id).in_([key.id for key in keys]), col(ApiKey.revoked_at).is_(None))
        .values(revoked_at=now)
        .returning(col(ApiKey.id))
    )
    return frozenset(revoked.scalars())
