"""How often limits refused whom of late: the newest refusals of some codes, counted by agent.

They are found by the index on codes and their instants; neither other attempts nor other days are
touched.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import psycopg
from psycopg import sql

from engine.errors import TAXONOMY, ErrorCode
from engine.rollups.grid import Tier, Window, floor
from engine.rollups.newest import Visit, newest_rows
from engine.rollups.selection import Filter

# Of each code and day; whoever is refused more often is told by these as well.
COUNTED: Final = 5_000
_CODES: Final = {meaning.number: code for code, meaning in TAXONOMY.items()}


class Refused(NamedTuple):
    """How often an agent was refused with a code.

    Attributes:
        agent_id: whom.
        code: with which.
        times: how often.
        last_at: when last.
    """

    agent_id: UUID
    code: ErrorCode
    times: int
    last_at: datetime


class Found(NamedTuple):
    """Who was refused how often, most often first.

    Attributes:
        refused: one for each agent and code.
        is_cut: whether there were more refusals than were counted.
    """

    refused: tuple[Refused, ...]
    is_cut: bool


def read(connection: psycopg.Connection[Any], window: Window, codes: Sequence[ErrorCode]) -> Found:
    """Counts the newest refusals of live traffic in a window, at most `COUNTED` a code and day.

    Args:
        connection: of the application.
        window: of a few days at most.
        codes: which.

    Raises:
        psycopg.Error: the database could not be asked.
    """
    enough = {TAXONOMY[code].number: COUNTED for code in codes}
    visits = [Visit(day, enough) for day in _days(window)]
    statement = sql.SQL(_COUNT).format(rows=newest_rows(visits, window, Filter()))
    # Its literals differ each time: there is nothing to be prepared.
    rows = connection.execute(statement, prepare=False).fetchall()
    found = tuple(
        Refused(agent_id, _CODES[code], count, last) for agent_id, code, count, last in rows
    )
    by_code = {code: sum(each.times for each in found if each.code is code) for code in codes}
    return Found(found, any(count >= COUNTED for count in by_code.values()))


def _days(window: Window) -> list[datetime]:
    """The first instants of the days that a window touches, newest first."""
    days, day = [], floor(window.start, Tier.DAY)
    while day < window.end:
        days.append(day)
        day += Tier.DAY.length
    return days[::-1]


_COUNT: Final = """
    -- Who was refused how often with which code.
    SELECT agent_id, error_code, count(*), max(started_at)
    FROM ({rows}) AS refused
    GROUP BY agent_id, error_code
    ORDER BY count(*) DESC, max(started_at) DESC, agent_id
"""
