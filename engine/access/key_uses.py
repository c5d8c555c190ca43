"""When keys were last used: remembered by the process, and stored now and then.

No request waits for it; a process that is killed forgets its last seconds.
"""

from __future__ import annotations

import threading
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import psycopg

_STORE: Final = """
    -- In the order of the keys, so that processes do not meet in a deadlock; only forwards.
    WITH used AS (
        SELECT api_key.id, given.used_at
        FROM unnest(%(ids)s::uuid[], %(instants)s::timestamptz[]) AS given (id, used_at)
        JOIN api_key ON api_key.id = given.id
        WHERE api_key.last_used_at IS NULL OR api_key.last_used_at < given.used_at
        ORDER BY api_key.id
        FOR NO KEY UPDATE OF api_key
    )
    UPDATE api_key
    SET last_used_at = used.used_at
    FROM used
    WHERE api_key.id = used.id
"""


class KeyUses:
    """Remembers the last use of each key; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: dict[UUID, datetime] = {}

    def note(self, key_id: UUID, used_at: datetime) -> None:
        """Remembers that a key was used; instants of one key come in order, nearly."""
        with self._lock:
            self._last[key_id] = used_at

    @property
    def has_news(self) -> bool:
        """Whether there is something to store."""
        return bool(self._last)

    def store(self, connection: psycopg.Connection[Any]) -> int:
        """Stores in one statement what was remembered since; returns of how many keys.

        Raises:
            psycopg.Error: it could not be stored; it is kept for the next time.
        """
        with self._lock:
            taken, self._last = self._last, {}
        try:
            stored = connection.execute(
                _STORE, {"ids": list(taken), "instants": list(taken.values())}
            )
        except psycopg.Error:
            with self._lock:
                self._last = taken | self._last
            raise
        return stored.rowcount
