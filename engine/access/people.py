"""Reading who there is: accounts with their roles, sign-ins and keys; no hash of anything."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import psycopg
from psycopg.rows import class_row

# More of them are not told apart in a list; the filter finds the others.
LISTED: Final = 200


@dataclass(frozen=True, slots=True)
class Person:
    """An account, and what hangs on it.

    Attributes:
        account_id: its id.
        email: its address.
        name: None if it has none.
        role: as stored; None if it has none.
        disabled_at: None while it is not.
        created_at: when it was made.
        has_password: whether one can sign in with a password.
        is_of_provider: whether an identity provider knows it.
        agent_id: the agent that it is; None if it is none.
        agent_name: of that agent.
        agent_status: ACTIVE or SUSPENDED.
        rate_limit_per_minute: of that agent; None for none.
        max_active_quotes: of that agent.
        last_sign_in_at: None if there was none in the last month.
        live_sign_ins: browsers that are signed in now.
        live_keys: keys that work now.
    """

    account_id: UUID
    email: str
    name: str | None
    role: str | None
    disabled_at: datetime | None
    created_at: datetime
    has_password: bool
    is_of_provider: bool
    agent_id: UUID | None
    agent_name: str | None
    agent_status: str | None
    rate_limit_per_minute: int | None
    max_active_quotes: int | None
    last_sign_in_at: datetime | None
    live_sign_ins: int
    live_keys: int


@dataclass(frozen=True, slots=True)
class Key:
    """An API key, by anything but itself; see `tables.ApiKey`."""

    id: UUID
    name: str | None
    scope: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None
    replaced_by: UUID | None

    def is_live(self, now: datetime) -> bool:
        """Whether it works."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)


@dataclass(frozen=True, slots=True)
class SignedInBrowser:
    """One browser that somebody has signed in with, by anything but what it holds."""

    method: str
    began_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    address: str | None

    def is_live(self, now: datetime) -> bool:
        """Whether it is signed in."""
        return self.ended_at is None and self.expires_at > now


class People(NamedTuple):
    """Some accounts: who may most comes first, and those alike by e-mail address.

    Attributes:
        people: at most `LISTED`.
        is_cut: whether there are more.
    """

    people: tuple[Person, ...]
    is_cut: bool


@dataclass(frozen=True, slots=True)
class Whole:
    """All that is known of an account.

    Attributes:
        person: the account.
        keys: newest first, those that are over as well.
        sign_ins: newest first, of the last month.
    """

    person: Person
    keys: tuple[Key, ...]
    sign_ins: tuple[SignedInBrowser, ...]


def emails(connection: psycopg.Connection[Any], account_ids: Collection[UUID]) -> dict[UUID, str]:
    """The e-mail addresses of accounts, as they are now; of those that there are.

    Raises:
        psycopg.Error: the database could not be asked.
    """
    return dict(connection.execute(_EMAILS, {"ids": list(account_ids)}).fetchall())


def people(connection: psycopg.Connection[Any], now: datetime, text: str = "") -> People:
    """Accounts that have a text in their address, name, role or agent's name.

    Raises:
        psycopg.Error: the database could not be asked.
    """
    values = {"now": now, "text": text.strip().casefold(), "most": LISTED + 1, "id": None}
    found = _persons(connection, values)
    return People(found[:LISTED], len(found) > LISTED)


def whole(connection: psycopg.Connection[Any], now: datetime, account_id: UUID) -> Whole | None:
    """One account with its keys and sign-ins; None when there is no such.

    Raises:
        psycopg.Error: the database could not be asked.
    """
    found = _persons(connection, {"now": now, "text": "", "most": 1, "id": account_id})
    if not found:
        return None
    values = {"id": account_id, "most": LISTED}
    with connection.cursor(row_factory=class_row(Key)) as cursor:
        keys = tuple(cursor.execute(_KEYS, values).fetchall())
    with connection.cursor(row_factory=class_row(SignedInBrowser)) as cursor:
        sign_ins = tuple(cursor.execute(_SIGN_INS, values).fetchall())
    return Whole(found[0], keys, sign_ins)


def _persons(connection: psycopg.Connection[Any], values: dict[str, Any]) -> tuple[Person, ...]:
    with connection.cursor(row_factory=class_row(Person)) as cursor:
        return tuple(cursor.execute(_PEOPLE, values).fetchall())


_PEOPLE: Final = """
    -- Accounts with what hangs on them.
    SELECT
        a.id AS account_id,
        a.email,
        a.name,
        a.role,
        a.disabled_at,
        a.created_at,
        EXISTS (SELECT FROM account_password p WHERE p.account_id = a.id) AS has_password,
        a.subject IS NOT NULL AS is_of_provider,
        g.id AS agent_id,
        g.name AS agent_name,
        g.status AS agent_status,
        g.rate_limit_per_minute,
        g.max_active_quotes,
        s.last_sign_in_at,
        s.live_sign_ins,
        k.live_keys
    FROM (
        SELECT account.*
        FROM account
        LEFT JOIN agent ON agent.account_id = account.id
        WHERE (%(id)s::uuid IS NULL OR account.id = %(id)s)
            AND (
                %(text)s = ''
                OR strpos(lower(concat_ws(
                    ' ', account.email, account.name, account.role, agent.name
                )), %(text)s) > 0
            )
        ORDER BY
            array_position(ARRAY['admin', 'lead', 'on-call', 'viewer'], account.role),
            lower(account.email),
            account.id
        LIMIT %(most)s
    ) AS a
    LEFT JOIN agent g ON g.account_id = a.id
    CROSS JOIN LATERAL (
        SELECT
            max(began_at) AS last_sign_in_at,
            count(*) FILTER (WHERE ended_at IS NULL AND expires_at > %(now)s) AS live_sign_ins
        FROM sign_in
        WHERE sign_in.account_id = a.id
    ) AS s
    CROSS JOIN LATERAL (
        SELECT
            count(*) FILTER (
                WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > %(now)s)
            ) AS live_keys
        FROM api_key
        WHERE api_key.account_id = a.id
    ) AS k
    ORDER BY
        array_position(ARRAY['admin', 'lead', 'on-call', 'viewer'], a.role),
        lower(a.email),
        a.id
"""
_KEYS: Final = """
    -- An account's keys.
    SELECT id, name, scope, created_at, expires_at, last_used_at, revoked_at, replaced_by
    FROM api_key
    WHERE account_id = %(id)s
    ORDER BY created_at DESC, id DESC
    LIMIT %(most)s
"""
_SIGN_INS: Final = """
    -- An account's sign-ins, those that are over as well.
    SELECT method, began_at, expires_at, ended_at, address
    FROM sign_in
    WHERE account_id = %(id)s
    ORDER BY began_at DESC
    LIMIT %(most)s
"""
_EMAILS: Final = b"""
    -- How to call the accounts that a page of the trail speaks of.
    SELECT id, email
    FROM account
    WHERE id = ANY(%(ids)s)
"""
