"""Who is behind an API key.

What the database says of a key is trusted for a short while without asking again, which bounds how
long a revoked one still works; when a key expires is known, and holds exactly. While the database
is not there, the last known identity serves on: nothing can be saved then. One that is only busy,
or whose line broke, is no reason to trust a key that may have been revoked; its refusal still
reaches the ledger under the agent that last had the key.
"""

from __future__ import annotations

import hmac
import threading
from collections import OrderedDict
from datetime import datetime
from typing import Final, Generic, NamedTuple, TypeVar
from uuid import UUID

from sqlalchemy import select

from engine.access.key_uses import KeyUses
from engine.access.keys import Scope, hash_api_key
from engine.access.tables import Account, Agent, ApiKey
from engine.clock import Clock
from engine.database.pool import Pool, Unreachable
from engine.database.sql import Statement, parameter, table_of
from engine.settings import Settings

_REMEMBERED: Final = 10_000

_account, _agent, _key = table_of(Account), table_of(Agent), table_of(ApiKey)

_FIND: Final = Statement(
    select(
        _key.c.key_hash,
        _account.c.id,
        _agent.c.id,
        _agent.c.status,
        _agent.c.max_active_quotes,
        _agent.c.rate_limit_per_minute,
        _account.c.email,
        _account.c.disabled_at,
        _key.c.id,
        _key.c.scope,
        _key.c.expires_at,
        _key.c.revoked_at,
    )
    .select_from(
        _key.join(_account, _account.c.id == _key.c.account_id).outerjoin(
            _agent, _agent.c.account_id == _account.c.id
        )
    )
    .where(_key.c.key_hash == parameter(_key, "key_hash"))
)


class Identity(NamedTuple):
    """A key, its account, and the agent that it is, if any.

    Attributes:
        account_id: who is written down as the modifier of a quote.
        agent_id: None for an account without an agent profile.
        agent_status: ACTIVE or SUSPENDED.
        max_active_quotes: the agent's quota.
        rate_limit_per_minute: None for no limit.
        email: of the account.
        disabled_at: since when the account is; None for one that is not.
        key_id: of the key.
        scope: what the key is for.
        expires_at: when it ends; None for never.
        revoked_at: since when it is; None for one that is not.
    """

    account_id: UUID
    agent_id: UUID | None
    agent_status: str | None
    max_active_quotes: int | None
    rate_limit_per_minute: int | None
    email: str
    disabled_at: datetime | None
    key_id: UUID
    scope: Scope
    expires_at: datetime | None
    revoked_at: datetime | None

    def ended_by(self, now: datetime) -> str | None:
        """Why the key opens nothing, in a word or two for the audit trail; None when it does."""
        if self.revoked_at is not None:
            return "revoked"
        if self.expires_at is not None and self.expires_at <= now:
            return "expired"
        return None if self.disabled_at is None else "account disabled"


class Identities:
    """Looks keys up; safe to use from any thread."""

    def __init__(self, pool: Pool, settings: Settings, clock: Clock) -> None:
        """Takes what it asks.

        Args:
            pool: for one short read now and then.
            settings: how long an answer is trusted.
            clock: for that, and for when keys end.
        """
        self._pool = pool
        self._clock = clock
        self._lifetime_s = settings.identity_lifetime.total_seconds()
        self._known: _Memory[Identity] = _Memory()
        # Apart, so that nobody makes us forget keys by making some up.
        self._unknown: _Memory[None] = _Memory()
        self.uses = KeyUses()

    def find(self, key: str, deadline: float | None = None) -> Identity | None:
        """Whose key this is, or None when it is nobody's.

        It may have ended; see `Identity.ended_by`. One that has not is noted as used.

        Raises:
            psycopg.Error: the database could not be asked. An absent one is no error for a key that
                was seen before.
            PoolTimeout: no connection was free in time.
        """
        identity = self._find(hash_api_key(key), deadline)
        if identity is not None:
            now = self._clock.now()
            if identity.ended_by(now) is None:
                self.uses.note(identity.key_id, now)
        return identity

    def last_known(self, key: str) -> Identity | None:
        """Whose key it was when it was last asked for: whom to write down, nobody to trust.

        None for one that had ended already: what fails is no failure of that agent's then.
        """
        known = self._known.get(hash_api_key(key))
        if known is None or known.value.ended_by(self._clock.now()) is not None:
            return None
        return known.value

    def _find(self, key_hash: bytes, deadline: float | None) -> Identity | None:
        now = self._clock.monotonic()
        known = self._known.get(key_hash)
        if known is not None and now - known.asked_at < self._lifetime_s:
            return known.value
        unknown = self._unknown.get(key_hash)
        if unknown is not None and now - unknown.asked_at < self._lifetime_s:
            return None
        try:
            identity = self._ask(key_hash, deadline)
        except Unreachable:
            if known is None:
                raise
            return known.value
        if identity is None:
            self._known.drop(key_hash)
            self._unknown.put(key_hash, now, None)
        else:
            self._known.put(key_hash, now, identity)
        return identity

    def _ask(self, key_hash: bytes, deadline: float | None) -> Identity | None:
        with self._pool.connection(deadline) as connection:
            row = _FIND.run(connection, {"key_hash": key_hash}).fetchone()
        # The index has found it; that the two are the same is not left to it.
        if row is None or not hmac.compare_digest(row[0], key_hash):
            return None
        identity = Identity(*row[1:])
        return identity._replace(scope=Scope(identity.scope))


T = TypeVar("T")


class _Remembered(NamedTuple, Generic[T]):
    """What the database said of a key, and when on the monotonic clock."""

    asked_at: float
    value: T


class _Memory(Generic[T]):
    """What the database said of the keys that were asked for last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_hash: OrderedDict[bytes, _Remembered[T]] = OrderedDict()

    def get(self, key_hash: bytes) -> _Remembered[T] | None:
        return self._by_hash.get(key_hash)

    def drop(self, key_hash: bytes) -> None:
        with self._lock:
            self._by_hash.pop(key_hash, None)

    def put(self, key_hash: bytes, asked_at: float, value: T) -> None:
        with self._lock:
            self._by_hash[key_hash] = _Remembered(asked_at, value)
            self._by_hash.move_to_end(key_hash)
            if len(self._by_hash) > _REMEMBERED:
                self._by_hash.popitem(last=False)
