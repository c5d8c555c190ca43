"""How near agents are to their limits: those with limits of their own, and those near a quota.

Numbers that an agent was ever given bound its active quotes from above and cost nothing to read;
what is counted are the quotes of a few agents whose bound is near.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from engine.quotes.blocks import active_quotes

# What an agent has that nobody said otherwise of; see `access.tables.Agent`.
DEFAULT_QUOTA: Final = 100_000
LISTED: Final = 100
# A count costs 11 ms for a hundred thousand quotes.
_COUNTED: Final = 20
_COUNTED_AT_MOST: Final = 200_000


@dataclass(frozen=True, slots=True)
class AgentLimits:
    """An agent's limits, and how much of the quota is used.

    Attributes:
        agent_id: whose.
        name: of the agent.
        status: ACTIVE or SUSPENDED.
        rate_limit_per_minute: None for none.
        max_active_quotes: the quota.
        given: quote numbers that were ever given: no more quotes than that are active.
        active: active quotes, counted up to the quota; None if they were not counted.
    """

    agent_id: UUID
    name: str
    status: str
    rate_limit_per_minute: int | None
    max_active_quotes: int
    given: int
    active: int | None = None

    @property
    def has_own(self) -> bool:
        """Whether its limits are not those that every agent has."""
        return self.rate_limit_per_minute is not None or self.max_active_quotes != DEFAULT_QUOTA


def nearest(connection: psycopg.Connection[Any]) -> tuple[AgentLimits, ...]:
    """Agents with limits of their own or half a quota's numbers, nearest first, some `LISTED`.

    Raises:
        psycopg.Error: the database could not be asked.
    """
    with connection.cursor(row_factory=class_row(AgentLimits)) as cursor:
        values = {"default": DEFAULT_QUOTA, "most": LISTED}
        found = cursor.execute(_NEAREST, values).fetchall()
    return tuple(
        replace(each, active=active_quotes(connection, each.agent_id, each.max_active_quotes))
        if place < _COUNTED and each.max_active_quotes <= _COUNTED_AT_MOST
        else each
        for place, each in enumerate(found)
    )


_NEAREST: Final = """
    -- Agents by the share of their quota that their numbers could fill.
    SELECT
        a.id AS agent_id,
        a.name,
        a.status,
        a.rate_limit_per_minute,
        a.max_active_quotes,
        coalesce(b.given, 0)::bigint AS given
    FROM agent a
    LEFT JOIN (
        SELECT agent_id, sum(given) AS given FROM quote_number_block GROUP BY agent_id
    ) AS b ON b.agent_id = a.id
    WHERE a.rate_limit_per_minute IS NOT NULL
        OR a.max_active_quotes <> %(default)s
        OR coalesce(b.given, 0) >= a.max_active_quotes / 2
    ORDER BY
        coalesce(b.given, 0) / greatest(a.max_active_quotes, 1)::numeric DESC,
        a.rate_limit_per_minute NULLS LAST,
        a.id
    LIMIT %(most)s
"""
