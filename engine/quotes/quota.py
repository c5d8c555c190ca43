"""The quota of active quotes, looked at when numbers are granted, and counted as rarely as it can.

All numbers that an agent was ever given bound its active quotes from above, so nothing is counted
before they are as many as its quota. From then on a count is remembered with the numbers that were
given until then: what it left is granted without another one. When that is used up the quotes are
counted anew, since some may have been deleted, yet those of a large quota at most once a second: a
count costs as much as there are quotes, a refusal in between nothing of the kind. So a create that
a delete made room for may be refused for up to a second.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final, NamedTuple
from uuid import UUID

from engine.database.pool import EngineConnection
from engine.errors import ErrorCode, Refusal
from engine.quotes.blocks import active_quotes, numbers_given

# How long a count that left nothing is believed.
_BELIEVED_S: Final = 1.0
# Counting this many quotes costs no more than any statement (measured: 0.1 ms; a hundred times as
# many, 11 ms), and so they are counted whenever it helps.
_COUNTED_AT_WILL: Final = 1_000
_AGENTS_REMEMBERED: Final = 10_000


class _Count(NamedTuple):
    """What was counted, and when."""

    quota: int
    active: int
    given: int
    counted_at: float

    def left(self, given: int) -> int:
        """How much of the quota is left when every number given since became a quote."""
        return self.quota - self.active - (given - self.given)


class Quotas:
    """What this process knows of the agents' quotas; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: OrderedDict[UUID, _Count] = OrderedDict()

    def grant(self, connection: EngineConnection, agent_id: UUID, quota: int, wanted: int) -> int:
        """How many numbers the quota allows now, at most `wanted`; 0 or less for none.

        Raises:
            psycopg.Error: the database could not be asked.
        """
        given = numbers_given(connection, agent_id)
        if given + wanted <= quota:
            return wanted
        now = connection.clock.monotonic()
        known = self._counts.get(agent_id)
        if known is None or known.quota != quota or _is_outdated(known, given, now):
            # In this order: what is given meanwhile is counted twice rather than not at all.
            known = _Count(quota, active_quotes(connection, agent_id, quota), given, now)
            self._remember(agent_id, known)
        return min(wanted, known.left(given))

    def forget(self, agent_id: UUID) -> None:
        """Drops what was counted: the numbers given no longer go with it."""
        with self._lock:
            self._counts.pop(agent_id, None)

    def _remember(self, agent_id: UUID, count: _Count) -> None:
        with self._lock:
            self._counts[agent_id] = count
            self._counts.move_to_end(agent_id)
            if len(self._counts) > _AGENTS_REMEMBERED:
                self._counts.popitem(last=False)


def quota_exceeded(quota: int) -> Refusal:
    """The refusal of one active quote too many."""
    return Refusal(
        ErrorCode.QUOTA_EXCEEDED,
        f"All {quota} active quotes of this agent are used; archive some or have it raised.",
        {"maxActiveQuotes": quota},
    )


def _is_outdated(count: _Count, given: int, now: float) -> bool:
    if count.left(given) > 0:
        return False
    return count.quota <= _COUNTED_AT_WILL or now - count.counted_at >= _BELIEVED_S
