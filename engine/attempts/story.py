"""The story of an attempt: its row, its quote, who won, and what happened around it.

Every read goes by a primary key: the attempt's own, its quote's, its quote's versions, its
idempotency key, and the range of its agent's attempts next to it. Nothing scans the ledger, so
refused attempts on the same quote are found only among the agent's nearest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

import psycopg
from psycopg.rows import class_row, dict_row, tuple_row

from engine.attempts import words
from engine.attempts.lookup import AttemptKey
from engine.attempts.outcome import UNKNOWN_AGENT
from engine.attempts.words import Maker, Row, Step

# Attempts by the same agent that are listed, before and after each.
NEXT: Final = 5
# Attempts by the same agent that are looked at for those on the same quote and the same key.
NEAR: Final = 200
# No further from the attempt than this, so that a day or two of the ledger are opened, not all.
REACH: Final = timedelta(days=1)
# Versions of the quote before and after the one that the attempt met.
_VERSIONS: Final = 4
# Rows near the attempt that share its quote or its key; more would not be read.
_SHARED_MAX: Final = 20


class Neighbour(NamedTuple):
    """An attempt near another one: neither payload nor anything of a person.

    Attributes are columns of the view `ledger`.
    """

    agent_id: UUID
    started_at: datetime
    id: UUID
    correlation_id: str
    operation: str
    outcome: str
    error_code: str | None
    duration_us: int
    expected_version: int | None
    actual_version: int | None
    quote_id: UUID | None
    idempotency_key: str | None

    @property
    def key(self) -> AttemptKey:
        """Its primary key."""
        return AttemptKey(self.agent_id, self.started_at, self.id)

    @property
    def place(self) -> tuple[datetime, UUID]:
        """Where it stands among the others."""
        return self.started_at, self.id


class Quote(NamedTuple):
    """The quote of an attempt as it stands now."""

    quote_number: str
    status: str
    version: int


@dataclass(frozen=True, slots=True)
class Story:
    """What is known of an attempt.

    Attributes:
        row: of the view `ledger`, by column.
        quote: None where there is none of this agent's under that id.
        maker: of the version that it met in a conflict, or whose answer was repeated.
        drawn_up_at: when the version that it made was checked and priced; None if it made none.
        on_quote: attempts on the same quote, oldest first, itself not among them.
        on_key: attempts with the same idempotency key, likewise.
        by_agent: attempts by the same agent right before and after it, likewise.
    """

    row: Row
    quote: Quote | None
    maker: Maker | None
    drawn_up_at: datetime | None
    on_quote: tuple[Neighbour, ...]
    on_key: tuple[Neighbour, ...]
    by_agent: tuple[Neighbour, ...]

    @property
    def key(self) -> AttemptKey:
        """The attempt's primary key."""
        return AttemptKey(self.row["agent_id"], self.row["started_at"], self.row["id"])

    @property
    def sentence(self) -> str:
        """What became of it, whether anything was stored, and what to do next."""
        number = None if self.quote is None else self.quote.quote_number
        return words.sentence(self.row, quote_number=number, maker=self.maker)

    @property
    def steps(self) -> tuple[Step, ...]:
        """What happened to it, in its order."""
        return tuple(words.steps(self.row, drawn_up_at=self.drawn_up_at))

    def facts(self) -> Iterator[tuple[str, str]]:
        """What is known of it and of its quote: labels and texts."""
        yield from words.facts(self.row)
        if self.quote is not None:
            number, status, version = self.quote
            yield "quote number", words.printable(number)
            yield "quote now", f"{words.printable(status)}, version {version}"


class _Revision(NamedTuple):
    version: int
    correlation_id: str | None
    modified_at: datetime
    attempt_id: UUID | None
    attempt_started_at: datetime | None


def read_rows(
    connection: psycopg.Connection[Any], keys: Sequence[AttemptKey]
) -> list[dict[str, Any]]:
    """Attempts as the view `ledger` has them, in the order of their keys; without the missing.

    Raises:
        psycopg.Error: the database could not be asked.
    """
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_ROWS, _columns_of(keys)).fetchall()


def read(connection: psycopg.Connection[Any], key: AttemptKey) -> Story | None:
    """The story of one attempt; None if there is no such attempt.

    Raises:
        psycopg.Error: the database could not be asked.
    """
    rows = read_rows(connection, [key])
    return tell(connection, rows[0]) if rows else None


def tell(connection: psycopg.Connection[Any], row: Mapping[str, Any]) -> Story:
    """The story of an attempt whose row is known.

    Args:
        connection: to the database.
        row: of the view `ledger`, by column.

    Raises:
        psycopg.Error: the database could not be asked.
    """
    key = AttemptKey(row["agent_id"], row["started_at"], row["id"])
    quote, revisions = _quote(connection, row), _revisions(connection, row)
    near = _near(connection, row) if row["agent_id"] != UNKNOWN_AGENT else []
    keyed = _committed_under_key(connection, row)
    made = _neighbours(connection, [*_makers(row["agent_id"], revisions), *keyed])
    known = sorted(
        {each.id: each for each in [*near, *made] if each.key != key}.values(), key=_place
    )
    quote_id, idempotency_key = row["quote_id"], row["idempotency_key"]
    met = next((each for each in revisions if each.version == row["actual_version"]), None)
    is_maker = met is not None and met.attempt_id == row["id"]
    return Story(
        row=row,
        quote=quote,
        maker=None if met is None or is_maker else Maker(met.correlation_id, met.modified_at),
        drawn_up_at=met.modified_at if met is not None and is_maker else None,
        on_quote=tuple(each for each in known if quote_id and each.quote_id == quote_id),
        on_key=tuple(
            each for each in known if idempotency_key and each.idempotency_key == idempotency_key
        ),
        by_agent=_next_to(key, sorted(near, key=_place)),
    )


def _place(neighbour: Neighbour) -> tuple[datetime, UUID]:
    return neighbour.place


def _next_to(key: AttemptKey, near: Sequence[Neighbour]) -> tuple[Neighbour, ...]:
    """The nearest on both sides; those further off were only asked for what they share."""
    place = key.started_at, key.id
    before = [each for each in near if each.place < place]
    after = [each for each in near if each.place > place]
    return (*before[-NEXT:], *after[:NEXT])


# --- reads ---


def _quote(connection: psycopg.Connection[Any], row: Row) -> Quote | None:
    with connection.cursor(row_factory=class_row(Quote)) as cursor:
        return cursor.execute(_QUOTE, row).fetchone()


def _revisions(connection: psycopg.Connection[Any], row: Row) -> list[_Revision]:
    """The versions around the one that it met; the newest where it names none."""
    pivot = row["actual_version"] or row["expected_version"]
    given = {
        **row,
        "first": 1 if pivot is None else pivot - _VERSIONS,
        "last": None if pivot is None else pivot + _VERSIONS,
        "most": 2 * _VERSIONS + 1,
    }
    with connection.cursor(row_factory=class_row(_Revision)) as cursor:
        return cursor.execute(_REVISIONS, given).fetchall()


def _makers(agent_id: UUID, revisions: Sequence[_Revision]) -> Iterator[AttemptKey]:
    for each in revisions:
        if each.attempt_id is not None and each.attempt_started_at is not None:
            yield AttemptKey(agent_id, each.attempt_started_at, each.attempt_id)


def _committed_under_key(connection: psycopg.Connection[Any], row: Row) -> list[AttemptKey]:
    if row["idempotency_key"] is None:
        return []
    with connection.cursor(row_factory=tuple_row) as cursor:
        return [AttemptKey(*each) for each in cursor.execute(_UNDER_KEY, row)]


def _neighbours(connection: psycopg.Connection[Any], keys: Sequence[AttemptKey]) -> list[Neighbour]:
    with connection.cursor(row_factory=class_row(Neighbour)) as cursor:
        return cursor.execute(_NEIGHBOURS, _columns_of(keys)).fetchall()


def _near(connection: psycopg.Connection[Any], row: Row) -> list[Neighbour]:
    """The agent's attempts right before and after, and its nearest that share something."""
    given = {
        "agent_id": row["agent_id"],
        "started_at": row["started_at"],
        "id": row["id"],
        "quote_id": row["quote_id"],
        "idempotency_key": row["idempotency_key"],
        "since": row["started_at"] - REACH,
        "until": row["started_at"] + REACH,
        "near": NEAR,
        "next": NEXT,
        "shared": _SHARED_MAX,
    }
    with connection.cursor(row_factory=class_row(Neighbour)) as cursor:
        found = cursor.execute(_BEFORE, given).fetchall()
        return found + cursor.execute(_AFTER, given).fetchall()


def _columns_of(keys: Sequence[AttemptKey]) -> dict[str, list[Any]]:
    return {
        "agent_ids": [each.agent_id for each in keys],
        "starts": [each.started_at for each in keys],
        "ids": [each.id for each in keys],
    }


_COLUMNS: Final = ", ".join(Neighbour._fields)
# The limit keeps the planner from joining in another way than one key after the other.
_BY_KEYS: Final = """
    SELECT {columns}
    FROM unnest(%(agent_ids)s::uuid[], %(starts)s::timestamptz[], %(ids)s::uuid[])
        WITH ORDINALITY AS wanted (agent_id, started_at, id, place)
    CROSS JOIN LATERAL (
        SELECT *
        FROM ledger
        WHERE ledger.agent_id = wanted.agent_id
            AND ledger.started_at = wanted.started_at
            AND ledger.id = wanted.id
        LIMIT 1
    ) AS found
    ORDER BY wanted.place
"""
_ROWS: Final = _BY_KEYS.format(columns="found.*").encode()
_NEIGHBOURS: Final = _BY_KEYS.format(
    columns=", ".join(f"found.{name}" for name in Neighbour._fields)
).encode()
_QUOTE: Final = """
    SELECT quote_number, status, version
    FROM quote
    WHERE agent_id = %(agent_id)s
        AND id = %(quote_id)s
"""
_REVISIONS: Final = """
    SELECT version, correlation_id, modified_at, attempt_id, attempt_started_at
    FROM quote_revision
    WHERE agent_id = %(agent_id)s
        AND quote_id = %(quote_id)s
        AND version >= %(first)s
        AND (%(last)s::integer IS NULL OR version <= %(last)s)
    ORDER BY version DESC
    LIMIT %(most)s
"""
_UNDER_KEY: Final = """
    SELECT r.agent_id, r.attempt_started_at, r.attempt_id
    FROM idempotency_key AS k
    JOIN quote_revision AS r USING (agent_id, quote_id, version)
    WHERE k.agent_id = %(agent_id)s
        AND k.key = %(idempotency_key)s
        AND r.attempt_id IS NOT NULL
"""
_SIDE: Final = """
    WITH near AS MATERIALIZED (
        SELECT {columns}, row_number() OVER (ORDER BY started_at {order}, id {order}) AS place
        FROM (
            SELECT {columns}
            FROM ledger
            WHERE agent_id = %(agent_id)s
                AND {bounds}
                AND (started_at, id) {beyond} (%(started_at)s, %(id)s)
            ORDER BY started_at {order}, id {order}
            LIMIT %(near)s
        ) AS nearest
    )
    SELECT {columns}
    FROM near
    WHERE place <= %(next)s
        OR quote_id = %(quote_id)s::uuid
        OR idempotency_key = %(idempotency_key)s::text
    ORDER BY place
    LIMIT %(next)s + %(shared)s
"""
_BEFORE: Final = _SIDE.format(
    columns=_COLUMNS,
    bounds="started_at >= %(since)s AND started_at <= %(started_at)s",
    beyond="<",
    order="DESC",
).encode()
_AFTER: Final = _SIDE.format(
    columns=_COLUMNS,
    bounds="started_at >= %(started_at)s AND started_at <= %(until)s",
    beyond=">",
    order="ASC",
).encode()
