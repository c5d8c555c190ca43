"""An account's API keys: made, found, revoked.

A process that has just seen a key trusts it a little longer: `identity_lifetime`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import update
from sqlmodel import Session, col, select

from engine.access.keys import hash_api_key, make_api_key
from engine.access.tables import ApiKey
from engine.clock import Clock


class NewKey(NamedTuple):
    """A key just made, in clear for the one time."""

    key_id: UUID
    api_key: str


def add_key(session: Session, clock: Clock, account_id: UUID) -> NewKey:
    """Makes one more key for an account; those that it has go on working."""
    api_key = make_api_key(clock)
    key_id = clock.uuid7()
    session.add(
        ApiKey(
            id=key_id,
            account_id=account_id,
            key_hash=hash_api_key(api_key),
            created_at=clock.now(),
        )
    )
    session.flush()
    return NewKey(key_id, api_key)


def keys_of(session: Session, account_id: UUID) -> Sequence[ApiKey]:
    """An account's keys, revoked ones included, oldest first."""
    of_account = select(ApiKey).where(ApiKey.account_id == account_id)
    return session.exec(of_account.order_by(col(ApiKey.created_at), col(ApiKey.id))).all()


def find_key(session: Session, key_id: UUID) -> ApiKey | None:
    """The key with an id, revoked or not."""
    return session.get(ApiKey, key_id)


def revoke(session: Session, now: datetime, keys: Sequence[ApiKey]) -> frozenset[UUID]:
    """Revokes those of the keys that still work; returns their ids."""
    revoked = session.execute(
        update(ApiKey)
        .where(col(ApiKey.id).in_([key.id for key in keys]), col(ApiKey.revoked_at).is_(None))
        .values(revoked_at=now)
        .returning(col(ApiKey.id))
    )
    return frozenset(revoked.scalars())
