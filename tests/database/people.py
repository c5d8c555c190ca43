"""What the tests of people share: accounts, who asks for something, and the audit trail's rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg.rows import dict_row
from sqlmodel import Session

from engine.access.audit import Actor, Way
from engine.access.passwords import hash_password
from engine.access.roles import Role
from engine.access.tables import Account, AccountPassword
from engine.clock import Clock
from engine.database.sessions import session_of
from engine.database.target import Target

RIGHT: Final = "correct horse battery"
# Hashing takes a tenth of a second; the accounts of the tests have one password.
_HASH: Final = hash_password(RIGHT)
NOBODY: Final = Actor(None, "nobody", Way.PAGE, "192.0.2.1", "REQ-TEST-NOBODY")


@contextmanager
def transaction(target: Target) -> Iterator[Session]:
    """A session that commits at the end."""
    with session_of(target) as session:
        yield session


def account(
    target: Target,
    clock: Clock,
    role: Role | None = None,
    *,
    email: str = "",
    has_password: bool = False,
) -> Account:
    """An account that is there already."""
    made = Account(
        id=clock.uuid7(),
        email=email or f"{clock.uuid7()}@people.example",
        role=None if role is None else role.value,
        created_at=clock.now(),
    )
    with transaction(target) as session:
        session.add(made)
        session.flush()
        if has_password:
            session.add(
                AccountPassword(account_id=made.id, password_hash=_HASH, changed_at=clock.now())
            )
        session.commit()
        session.refresh(made)
        session.expunge(made)
    return made


def acting(who: Account, **changes: Any) -> Actor:
    """Somebody who asks for something on a page."""
    actor = Actor(who.id, who.email, Way.PAGE, "192.0.2.7", f"REQ-TEST-{who.id}")
    return replace(actor, **changes)


def trail(target: Target) -> list[dict[str, Any]]:
    """The audit trail, oldest first."""
    with (
        psycopg.connect(target.app) as connection,
        connection.cursor(row_factory=dict_row) as cursor,
    ):
        return cursor.execute("SELECT * FROM audit_event ORDER BY happened_at, id").fetchall()


def stored(target: Target, account_id: UUID) -> dict[str, Any]:
    """An account's row."""
    with (
        psycopg.connect(target.app) as connection,
        connection.cursor(row_factory=dict_row) as cursor,
    ):
        (row,) = cursor.execute("SELECT * FROM account WHERE id = %s", [account_id]).fetchall()
    return row
