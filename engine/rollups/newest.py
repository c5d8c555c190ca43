"""The newest attempts of some codes, read day by day, so that no other day is touched.

The rollups know on which days a code lies, and how often. A read that visits just those days, the
newest first and only until it has enough, costs the same whatever the ledger holds besides.
"""

# ruff: noqa: S608 - put together from constants of ours

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, LiteralString, NamedTuple

from psycopg import sql

from engine.rollups.grid import Window
from engine.rollups.selection import Filter, Selection

_DAY: Final = timedelta(days=1)
COLUMNS: Final = (
    "id",
    "agent_id",
    "quote_id",
    "started_at",
    "duration_us",
    "operation",
    "outcome",
    "error_code",
    "http_status",
    "path",
    "correlation_id",
    "changed_fields",
)


class Visit(NamedTuple):
    """What to read of one day.

    Attributes:
        day: its first instant, in UTC.
        enough: how many attempts of which code are enough.
    """

    day: datetime
    enough: Mapping[int, int]


def plan(found: Mapping[datetime, Mapping[int, int]], wanted: Mapping[int, int]) -> list[Visit]:
    """The days to visit, the newest first.

    Args:
        found: by the first instant of a day, how many attempts of each code it has.
        wanted: how many attempts of each code are enough; no other code is looked for.
    """
    missing = dict(wanted)
    visits = []
    for day in sorted(found, reverse=True):
        enough = {
            code: missing[code] for code in found[day] if missing.get(code, 0) and found[day][code]
        }
        for code in enough:
            missing[code] = max(missing[code] - found[day][code], 0)
        if enough:
            visits.append(Visit(day, enough))
    return visits


def first_days(found: Mapping[int, datetime]) -> list[Visit]:
    """The days to visit for one attempt of each code.

    Args:
        found: by code, the first instant of the first day that has it.
    """
    by_day: defaultdict[datetime, dict[int, int]] = defaultdict(dict)
    for code, day in found.items():
        by_day[day][code] = 1
    return [Visit(day, enough) for day, enough in sorted(by_day.items())]


def newest_rows(visits: Sequence[Visit], window: Window, wanted: Filter) -> sql.Composed:
    """A query for `COLUMNS` of the newest attempts of each visit that lie in a window.

    Args:
        visits: at least one.
        window: what lies outside of it is left out.
        wanted: which attempts are looked at.
    """
    return _rows(visits, window, wanted, "DESC")


def oldest_rows(visits: Sequence[Visit], wanted: Filter) -> sql.Composed:
    """A query for `COLUMNS` of the oldest attempts of each visit.

    Args:
        visits: at least one.
        wanted: which attempts are looked at.
    """
    days = [each.day for each in visits]
    return _rows(visits, Window(min(days), max(days) + _DAY), wanted, "ASC")


def _rows(
    visits: Sequence[Visit], window: Window, wanted: Filter, order: LiteralString
) -> sql.Composed:
    statement = sql.SQL(_VISIT)
    return sql.SQL("\n    UNION ALL\n").join(
        statement.format(
            codes=sql.SQL(", ").join(
                sql.SQL("({}::smallint, {})").format(sql.Literal(code), sql.Literal(enough))
                for code, enough in sorted(day.enough.items())
            ),
            condition=Selection(
                Window(max(day.day, window.start), min(day.day + _DAY, window.end)), wanted
            ).condition(),
            order=sql.SQL(order),
        )
        for day in visits
    )


# The instants are compared as literals: only then the planner leaves the other days aside. The
# order is that of `attempt_error_idx`.
_VISIT: Final = f"""
    SELECT found.*
    FROM (VALUES {{codes}}) AS visited (code, enough)
    CROSS JOIN LATERAL (
        SELECT {", ".join(COLUMNS)}
        FROM attempt
        WHERE error_code = visited.code
            AND {{condition}}
        ORDER BY started_at {{order}}
        LIMIT visited.enough
    ) AS found
"""
