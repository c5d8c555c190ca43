"""Who is behind an API key.

A verified key is trusted for a short while without asking again, which bounds how long a revoked
one still works. While the database is not there, the last known identity serves on: nothing can be
saved then. One that is only busy, or whose line broke, is no reason to trust a key that may have
been revoked; its refusal still reaches the ledger under the agent that last had the key.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import select

from engine.access.keys import hash_api_key
from engine.access.tables import Account, Agent, ApiKey
from engine.clock import Clock
from engine.database.pool import Pool, Unreachable
from engine.database.sql import Statement, parameter, table_of
from engine.settings import Settings

_REMEMBERED: Final = 10_000

_account, _agent, _key = table_of(Account), table_of(Agent), table_of(ApiKey)

_FIND: Final = Statement(
    select(
        _account.c.id,
        _agent.c.id,
        _agent.c.status,
        _agent.c.max_active_quotes,
        _agent.c.rate_limit_per_minute,
    )
    .select_from(
        _key.join(_account, _account.c.id == _key.c.account_id).outerjoin(
            _agent, _agent.c.account_id == _account.c.id
        )
    )
    .where(_key.c.key_hash == parameter(_key, "key_hash"), _key.c.revoked_at.is_(None))
)


class Identity(NamedTuple):
    """An account, and the agent that it is, if any.

    Attributes:
        account_id: who is written down as the modifier of a quote.
        agent_id: None for an account without an agent profile.
        agent_status: ACTIVE or SUSPENDED.
        max_active_quotes: the agent's quota.
        rate_limit_per_minute: None for no limit.
    """

    account_id: UUID
    agent_id: UUID | None
    agent_status: str | None
    max_active_quotes: int | None
    rate_limit_per_minute: int | None


class Identities:
    """Looks keys up; safe to use from any thread."""

    def __init__(self, pool: Pool, settings: Settings, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock
        self._lifetime_s = settings.identity_lifetime.total_seconds()
        self._lock = threading.Lock()
        self._known: OrderedDict[bytes, tuple[float, Identity]] = OrderedDict()

    def find(self, key: str, deadline: float | None = None) -> Identity | None:
        """Who holds this key, or None when nobody does.

        Raises:
            psycopg.Error: the database could not be asked. An absent one is no error for a key that
                was seen before.
            PoolTimeout: no connection was free in time.
        """
        key_hash = hash_api_key(key)
        now = self._clock.monotonic()
        known = self._known.get(key_hash)
        if known is not None and now - known[0] < self._lifetime_s:
            return known[1]
        try:
            identity = self._ask(key_hash, deadline)
        except Unreachable:
            if known is None:
                raise
            return known[1]
        self._remember(key_hash, now, identity)
        return identity

    def last_known(self, key: str) -> Identity | None:
        """Whose key it was when it was last asked for: whom to write down, nobody to trust."""
        known = self._known.get(hash_api_key(key))
        return None if known is None else known[1]

    def _ask(self, key_hash: bytes, deadline: float | None) -> Identity | None:
        with self._pool.connection(deadline) as connection:
            row = _FIND.run(connection, {"key_hash": key_hash}).fetchone()
        return None if row is None else Identity(*row)

    def _remember(self, key_hash: bytes, now: float, identity: Identity | None) -> None:
        with self._lock:
            if identity is None:
                self._known.pop(key_hash, None)
                return
            self._known[key_hash] = (now, identity)
            self._known.move_to_end(key_hash)
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
