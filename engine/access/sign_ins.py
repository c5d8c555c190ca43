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
from psycopg_pool import PoolTimeout
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
        # Short: nobody waits for the database while holding it.
        self._lock = threading.Lock()
        self._asking = threading.Lock()
        self._heard_of: dict[bytes, float] = {}
        # Of those that were asked for, the ones that somebody holds.
        self._known: Mapping[bytes, SignedIn] = {}
        self._asked: frozenset[bytes] = frozenset()
        self._asked_at = float("-inf")
        self._forgotten = 0
        self._failures = 0
        self._failure: Exception | None = None

    def find(self, token_hash: bytes) -> SignedIn | None:
        """Who is signed in with a browser, or None when nobody is.

        While the database is not there, the last known answer serves on: nothing can be read then.
        That nobody is signed in is never said without having asked.

        Raises:
            psycopg.Error: the database could not be asked, though it is there.
            PoolTimeout: no connection was free in time.
        """
        with self._lock:
            now = self._clock.monotonic()
            self._heard_of[token_hash] = now
            is_fresh, found = self._is_fresh(token_hash, now), self._known.get(token_hash)
            failures = self._failures
        if not is_fresh:
            found = self._ask(token_hash, failures)
        return found if found is not None and found.expires_at > self._clock.now() else None

    def forget(self) -> None:
        """Asks anew at the next call: this process itself has changed something."""
        with self._lock:
            self._asked_at = float("-inf")
            # What is being asked for at this moment may be of before the change.
            self._forgotten += 1

    def _is_fresh(self, token_hash: bytes, now: float) -> bool:
        return token_hash in self._asked and now - self._asked_at < self._lifetime_s

    def _ask(self, token_hash: bytes, failures: int) -> SignedIn | None:
        """Asks for every browser that was heard of lately; whoever else needs to, waits for it.

        Args:
            token_hash: whose answer is wanted.
            failures: how many there had been when the caller came.
        """
        with self._asking:
            with self._lock:
                now = self._clock.monotonic()
                if self._is_fresh(token_hash, now):
                    return self._known.get(token_hash)
                # Who waited while it failed need not wait for that again, one after the other.
                failure = self._failure if self._failures > failures else None
                self._heard_of = {
                    each: at
                    for each, at in self._heard_of.items()
                    if now - at < _HEARD_OF_S or each == token_hash
                }
                hashes, forgotten = frozenset(self._heard_of), self._forgotten
            if failure is None:
                try:
                    known = self._read(hashes, now + _PATIENCE_S)
                except (psycopg.Error, PoolTimeout) as error:
                    failure = error
                    with self._lock:
                        self._failures += 1
                        self._failure = error
                else:
                    with self._lock:
                        self._known, self._asked = known, hashes
                        self._asked_at = now if self._forgotten == forgotten else float("-inf")
                    return known.get(token_hash)
        with self._lock:
            found = self._known.get(token_hash)
        if found is None or not isinstance(failure, Unreachable):
            raise failure
        return found

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
