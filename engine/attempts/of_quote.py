"""The attempts on one quote, found by the ledger's key: agent first, then the instant.

The ledger has no index by quote, and needs none: a quote is one agent's. Only the agent's attempts
since the quote was made are looked at, and of those no more than `LOOK_MAX` at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple, TypeAlias
from uuid import UUID

import msgspec
import psycopg
from psycopg.rows import class_row

from engine.attempts.outcome import Outcome
from engine.database.look import by_index
from engine.quotes.lifecycle import Operation

# A page of attempts, and how many of the agent's are looked at for one: by the index that is a few
# tens of milliseconds, and a busy agent's day.
PAGE: Final = 50
LOOK_MAX: Final = 10_000

# When an attempt started and its id: with the agent it is the ledger's key.
Place: TypeAlias = tuple[datetime, UUID]

# A quote's id is made while its attempt is under way, which has ten seconds; clocks differ.
_MADE_WITHIN: Final = (timedelta(seconds=15), timedelta(seconds=2))
_NEAR_MAX: Final = 20_000
_TIME_ORDERED: Final = 7


class QuoteAttempt(msgspec.Struct, frozen=True):
    """An attempt as the page of its quote shows it; the numbers are the ledger's."""

    started_at: datetime
    id: UUID
    operation: int
    outcome: int
    error_code: int | None
    correlation_id: str
    expected_version: int | None
    actual_version: int | None
    http_status: int | None
    duration_us: int
    retries: int


class Attempts(NamedTuple):
    """Some attempts on a quote, newest first.

    Attributes:
        attempts: at most `PAGE`.
        next_before: where to go on looking; None when the quote's whole life was looked at.
        is_cut_short: whether the look ended because the agent has so many attempts, not because
            the page was full.
    """

    attempts: tuple[QuoteAttempt, ...]
    next_before: Place | None
    is_cut_short: bool


def without_version(
    connection: psycopg.Connection[Any],
    agent_id: UUID,
    quote_id: UUID,
    *,
    since: datetime,
    before: Place | None = None,
) -> Attempts:
    """The attempts on a quote that made no version of it: refused, failed, replayed.

    Args:
        connection: in autocommit.
        agent_id: whose quote.
        quote_id: which.
        since: when the quote was made.
        before: only attempts that are older than this one.

    Raises:
        psycopg.Error: the database could not be asked.
    """
    values = {
        "agent_id": agent_id,
        "quote_id": quote_id,
        "since": since,
        "before_at": None if before is None else before[0],
        "before_id": None if before is None else before[1],
        "committed": Outcome.COMMITTED.value,
        "look_max": LOOK_MAX,
        "size": PAGE + 1,
    }
    span = _FROM_THE_NEWEST if before is None else _FROM_A_PLACE
    with by_index(connection):
        with connection.cursor(row_factory=class_row(QuoteAttempt)) as cursor:
            cursor.execute(_WITHOUT_VERSION.replace("{span}", span), values, prepare=False)
            found = cursor.fetchall()
        if len(found) > PAGE:
            last = found[PAGE - 1]
            return Attempts(tuple(found[:PAGE]), (last.started_at, last.id), is_cut_short=False)
        reached = connection.execute(
            _REACHED.replace("{span}", span), values, prepare=False
        ).fetchone()
    return Attempts(tuple(found), reached, is_cut_short=reached is not None)


class Gap(NamedTuple):
    """Attempts that made no version, between two that follow each other.

    Attributes:
        attempts: the newest of them, newest first.
        total: how many were found in all.
    """

    attempts: tuple[QuoteAttempt, ...]
    total: int


class Gaps(NamedTuple):
    """Attempts that made no version, by the versions between which they stand.

    Attributes:
        gaps: oldest first, one more than there are instants.
        looked_since: only what started since then was looked at, because the agent has so many
            attempts; None when all was.
    """

    gaps: tuple[Gap, ...]
    looked_since: datetime | None


def between(
    connection: psycopg.Connection[Any],
    agent_id: UUID,
    quote_id: UUID,
    instants: Sequence[datetime],
    *,
    since: datetime,
    until: datetime | None,
    most: int,
) -> Gaps:
    """The attempts on a quote that made no version of it, by the versions around them.

    Args:
        connection: in autocommit.
        agent_id: whose quote.
        quote_id: which.
        instants: when versions were made, oldest first; at least one.
        since: no attempts from before.
        until: no attempts from then on; None for all up to now.
        most: attempts of each gap that are returned.

    Raises:
        psycopg.Error: the database could not be asked.
    """
    values = {
        "agent_id": agent_id,
        "quote_id": quote_id,
        "instants": list(instants),
        "since": since,
        "until": until,
        "committed": Outcome.COMMITTED.value,
        "look_max": LOOK_MAX,
        "most": most,
    }
    found: dict[int, list[QuoteAttempt]] = {}
    counts: dict[int, int] = {}
    with by_index(connection):
        rows = connection.execute(_BETWEEN, values, prepare=False).fetchall()
        reached = connection.execute(
            _REACHED.replace("{span}", _UNTIL), values, prepare=False
        ).fetchone()
    for gap, count, *columns in rows:
        counts[gap] = count
        found.setdefault(gap, []).append(QuoteAttempt(*columns))
    gaps = (Gap(tuple(found.get(gap, ())), counts.get(gap, 0)) for gap in range(len(instants) + 1))
    return Gaps(tuple(gaps), None if reached is None else reached[0])


def by_keys(
    connection: psycopg.Connection[Any], agent_id: UUID, keys: Sequence[Place]
) -> Mapping[UUID, QuoteAttempt]:
    """Attempts of an agent by their keys; those that retention has dropped are not there.

    Args:
        connection: in autocommit.
        agent_id: whose.
        keys: when they started, and their ids.

    Raises:
        psycopg.Error: the database could not be asked.
    """
    if not keys:
        return {}
    values = {
        "agent_id": agent_id,
        "instants": [started_at for started_at, _ in keys],
        "ids": [id_ for _, id_ in keys],
        "first": min(started_at for started_at, _ in keys),
        "last": max(started_at for started_at, _ in keys),
    }
    with by_index(connection), connection.cursor(row_factory=class_row(QuoteAttempt)) as cursor:
        found = cursor.execute(_BY_KEYS, values, prepare=False).fetchall()
    return {each.id: each for each in found}


def agent_of(connection: psycopg.Connection[Any], quote_id: UUID) -> UUID | None:
    """Whose quote it is, by the attempt that made it; None when that cannot be told.

    No index leads from a quote to its agent. But an id of ours says when it was made, and around
    that instant the ledger has few attempts.

    Args:
        connection: in autocommit.
        quote_id: of the quote.

    Raises:
        psycopg.Error: the database could not be asked.
    """
    made_at = _made_at(quote_id)
    if made_at is None:
        return None
    earlier, later = _MADE_WITHIN
    values = {
        "quote_id": quote_id,
        "since": made_at - earlier,
        "until": made_at + later,
        "near_max": _NEAR_MAX,
        "create": Operation.CREATE.value,
        "committed": Outcome.COMMITTED.value,
    }
    with by_index(connection):
        row = connection.execute(_AGENT, values, prepare=False).fetchone()
    return None if row is None else row[0]


def _made_at(id_: UUID) -> datetime | None:
    """The instant in a time-ordered id; None of any other, or of one beyond the calendar."""
    if id_.version != _TIME_ORDERED:
        return None
    try:
        made_at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=id_.int >> 80)
        made_at + _MADE_WITHIN[1]
    except OverflowError:
        return None
    return made_at


_FROM_THE_NEWEST: Final = ""
_FROM_A_PLACE: Final = (
    "AND started_at <= %(before_at)s AND (started_at, id) < (%(before_at)s, %(before_id)s)"
)
_COLUMNS: Final = """
    started_at, id, operation, outcome, error_code, correlation_id, expected_version,
    actual_version, http_status, duration_us, retries
"""
# The inner query walks the agent's attempts backwards; the outer one stops it when a page is full.
_WITHOUT_VERSION: Final = f"""
    SELECT {_COLUMNS}
    FROM (
        SELECT quote_id, {_COLUMNS}
        FROM attempt
        WHERE agent_id = %(agent_id)s
            AND started_at >= %(since)s
            {{span}}
        ORDER BY started_at DESC, id DESC
        LIMIT %(look_max)s
    ) AS looked_at
    WHERE quote_id = %(quote_id)s
        AND outcome <> %(committed)s
    ORDER BY started_at DESC, id DESC
    LIMIT %(size)s
"""  # noqa: S608  # put together from constants of this file
_UNTIL: Final = "AND started_at < coalesce(%(until)s::timestamptz, 'infinity')"
# Likewise; each is told by how many of the versions were there before it.
_BETWEEN: Final = f"""
    SELECT gap, of_gap, {_COLUMNS}
    FROM (
        SELECT
            gap,
            count(*) OVER (PARTITION BY gap) AS of_gap,
            row_number() OVER (PARTITION BY gap ORDER BY started_at DESC, id DESC) AS place,
            {_COLUMNS}
        FROM (
            SELECT
                quote_id,
                width_bucket(started_at, %(instants)s::timestamptz[]) AS gap,
                {_COLUMNS}
            FROM attempt
            WHERE agent_id = %(agent_id)s
                AND started_at >= %(since)s
                {_UNTIL}
            ORDER BY started_at DESC, id DESC
            LIMIT %(look_max)s
        ) AS looked_at
        WHERE quote_id = %(quote_id)s
            AND outcome <> %(committed)s
    ) AS placed
    WHERE place <= %(most)s
    ORDER BY started_at DESC, id DESC
"""  # noqa: S608  # likewise
# The last one that was looked at, if there are more behind it.
_REACHED: Final = """
    SELECT started_at, id
    FROM attempt
    WHERE agent_id = %(agent_id)s
        AND started_at >= %(since)s
        {span}
    ORDER BY started_at DESC, id DESC
    OFFSET %(look_max)s - 1
    LIMIT 1
"""
# A subquery with a limit cannot be taken apart: each key is one look into the index of its day.
_BY_KEYS: Final = f"""
    SELECT {_COLUMNS}
    FROM unnest(%(instants)s::timestamptz[], %(ids)s::uuid[]) AS wanted (at, attempt_id)
    CROSS JOIN LATERAL (
        SELECT {_COLUMNS}
        FROM attempt
        WHERE agent_id = %(agent_id)s
            AND started_at = wanted.at
            AND id = wanted.attempt_id
            AND started_at BETWEEN %(first)s AND %(last)s
        LIMIT 1
    ) AS found
"""  # noqa: S608  # likewise
_AGENT: Final = """
    SELECT agent_id
    FROM (
        SELECT agent_id, quote_id, operation, outcome
        FROM attempt
        WHERE started_at >= %(since)s
            AND started_at < %(until)s
        LIMIT %(near_max)s
    ) AS near
    WHERE quote_id = %(quote_id)s
        AND operation = %(create)s
        AND outcome = %(committed)s
    LIMIT 1
"""
