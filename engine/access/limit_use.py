"""What was used of limits in the last minute, by whom: the windows that `limit_storage` keeps."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import psycopg

# More are not told apart in a list.
LISTED: Final = 500


class Use(NamedTuple):
    """What somebody has used of a limit.

    Attributes:
        kind: agent or address.
        who: the agent's id, or the network.
        used: requests that count now.
        is_waiting: whether the latest was refused.
    """

    kind: str
    who: str
    used: int
    is_waiting: bool


def read(connection: psycopg.Connection[Any]) -> tuple[Use, ...]:
    """Whoever was counted in the last minute, those who used most first; at most `LISTED`.

    Raises:
        psycopg.Error: the database could not be asked.
    """
    rows = connection.execute(_READ, {"most": LISTED}).fetchall()
    # A network may have a slash of its own.
    return tuple(
        Use(kind, who, used, not is_granted)
        for key, used, is_granted in rows
        for kind, _, who in (key.partition("/"),)
    )


_READ: Final = """
    -- Who has used how much of a limit in the last minute, on the database's clock.
    SELECT held.key, counted.used, held.is_granted
    FROM limit_window AS held
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(each.count), 0)::integer AS used
        FROM unnest(held.moments, held.counts) AS each (moment, count)
        WHERE each.moment > statement_timestamp() - interval '1 minute'
    ) AS counted
    WHERE held.expires_at > statement_timestamp()
    ORDER BY counted.used DESC, held.key
    LIMIT %(most)s
"""
