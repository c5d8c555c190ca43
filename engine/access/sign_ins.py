"""Who is signed in: what a browser holds, held against the database.

Pages ask at every refresh. What was asked for lately is asked for together, in one statement for
all browsers, so that the database's load does not grow with viewers; and nothing is trusted for
longer than a key is (`identity_lifetime`), which is how soon a sign-out holds everywhere.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

import psycopg
from sqlalchemy import ARRAY, LargeBinary, bindparam, delete, select
from sqlalchemy import any_ as any_of

from engine.access.roles import Role, role_of
from engine.access.tables import Account, Agent, SignIn
from engine.clock import Clock
from engine.database.pool import Pool, Unreachable
from engine.database.sql import Statement, parameter, table_of
from engine.settings import Settings

# Browsers of which nothing was heard for so long are not asked for along with others.
_HEARD_OF_S: Final = 60.0
# The database gets no longer to say who is there; pages wait for it.
_PATIENCE_S: Final = 3.0
# Rows that are over are kept as long as somebody may ask when who was there.
_KEPT: Final = timedelta(days=30)

_account, _agent, _sign_in = table_of(Account), table_of(Agent), table_of(SignIn)

_FIND: Final = Statement(
    select(
        _sign_in.c.token_hash,
        _account.c.id,
        _account.c.email,
        _account.c.name,
        _account.c.role,
        _agent.c.id,
        _sign_in.c.method,
        _sign_in.c.began_at,
        _sign_in.c.expires_at,
    )
    .select_from(
        _sign_in.join(_account, _account.c.id == _sign_in.c.account_id).outerjoin(
            _agent, _agent.c.account_id == _account.c.id
        )
    )
    .where(
        _sign_in.c.token_hash == any_of(bindparam("hashes", type_=ARRAY(LargeBinary))),
        _sign_in.c.ended_at.is_(None),
        _account.c.disabled_at.is_(None),
    )
)


_FORGET: Final = Statement(
    delete(_sign_in).where(_sign_in.c.expires_at < parameter(_sign_in, "expires_at"))
)


class SignedIn(NamedTuple):
    """Somebody who is signed in, as their account stands now.

    Attributes:
        account_id: who.
        email: of the account.
        name: None if it has none.
        role: None if it has none.
        agent_id: the agent that the account is, if any.
        method: password or oidc.
        began_at: when they signed in.
        expires_at: when that ends by itself.
    """

    account_id: UUID
    email: str
    name: str | None
    role: Role | None
    agent_id: UUID | None
    method: str
    began_at: datetime
    expires_at: datetime


class SignIns:
    """Looks browsers up by the hash of what they hold; safe to use from any thread."""

    def __init__(self, pool: Pool, settings: Settings, clock: Clock) -> None:
        """Takes what it asks.

        Args:
            pool: for one short read now and then.
            settings: how long an answer is trusted.
            clock: for that.
        """
        self._pool = pool
        self._clock = clock
        self._lifetime_s = settings.identity_lifetime.total_seconds()
        self._lock = threading.Lock()
        self._heard_of: dict[bytes, float] = {}
        self._known: Mapping[bytes, SignedIn] = {}
        self._asked_at = float("-inf")

    def find(self, token_hash: bytes) -> SignedIn | None:
        """Who is signed in with a browser, or None when nobody is.

        While the database is not there, the last known answer serves on: nothing can be read then.

        Raises:
            psycopg.Error: the database could not be asked, though it is there.
            PoolTimeout: no connection was free in time.
        """
        now = self._clock.monotonic()
        with self._lock:
            is_new = token_hash not in self._heard_of
            self._heard_of[token_hash] = now
            if is_new or now - self._asked_at >= self._lifetime_s:
                try:
                    self._ask(now)
                except Unreachable:
                    if token_hash not in self._known:
                        raise
            found = self._known.get(token_hash)
        return found if found is not None and found.expires_at > self._clock.now() else None

    def forget(self) -> None:
        """Asks anew at the next call: this process itself has changed something."""
        with self._lock:
            self._asked_at = float("-inf")

    def _ask(self, now: float) -> None:
        """Asks for every browser that was heard of lately; whoever else comes waits for it."""
        self._heard_of = {
            token_hash: at for token_hash, at in self._heard_of.items() if now - at < _HEARD_OF_S
        }
        self._known = self._read(self._heard_of, now + _PATIENCE_S)
        self._asked_at = now

    def _read(self, hashes: Iterable[bytes], deadline: float) -> dict[bytes, SignedIn]:
        with self._pool.connection(deadline) as connection:
            rows: list[tuple[Any, ...]] = _FIND.run(connection, {"hashes": [*hashes]}).fetchall()
        return {
            bytes(token_hash): SignedIn(account_id, email, name, role_of(role), *rest)
            for token_hash, account_id, email, name, role, *rest in rows
        }


def forget_old(connection: psycopg.Connection[Any], now: datetime) -> int:
    """Removes the rows of sign-ins that were over a month ago; returns how many."""
    return _FORGET.run(connection, {"expires_at": now - _KEPT}).rowcount
