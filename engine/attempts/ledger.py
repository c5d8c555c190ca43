"""The ledger: what is known of an attempt, and the one way to add it.

A committed save's row is written by the save's own statement; every other row comes through
`insert`. Nothing here updates or deletes, and the application's role could not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec
import psycopg
from psycopg.rows import class_row
from sqlalchemy import CTE, BigInteger, bindparam, func, or_, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as insert_into

from engine.attempts.outcome import Outcome, Path, Source
from engine.attempts.tables import Attempt, Origin, QueuedAttempt
from engine.database.pool import EngineConnection
from engine.database.sql import Statement, parameter, table_of
from engine.errors import TAXONOMY, ErrorCode, Refusal
from engine.settings import Settings

# The attempt's parameters carry this prefix in the save's statement: a quote has an id, too.
PREFIX: Final = "attempt_"

_NOT_STORED = TAXONOMY[ErrorCode.QUOTE_PERSISTENCE_FAILED]


class AttemptRow(msgspec.Struct, kw_only=True):
    """One row of the ledger, column by column; words are the numbers of their enumerations.

    It starts as the row that a tombstone would write: an attempt of which nothing was heard.
    """

    agent_id: UUID
    started_at: datetime
    id: UUID
    quote_id: UUID | None = None
    client_id: UUID | None = None
    origin_id: int
    duration_us: int = 0
    database_us: int = 0
    expected_version: int | None = None
    actual_version: int | None = None
    operation: int
    outcome: int = Outcome.FAILED.value
    error_code: int | None = _NOT_STORED.number
    severity: int | None = _NOT_STORED.severity.value
    http_status: int | None = None
    retries: int = 0
    path: int = Path.HARDENED.value
    source: int = Source.LIVE.value
    retryable: bool | None = _NOT_STORED.retryable
    correlation_id: str
    traceparent: str | None = None
    payload_hash: bytes | None = None
    changed_fields: str | None = None
    idempotency_key: str | None = None

    def refused(self, refusal: Refusal, outcome: Outcome | None = None) -> AttemptRow:
        """The same attempt, ended by a refusal."""
        meaning = refusal.meaning
        return msgspec.structs.replace(
            self,
            outcome=(outcome or outcome_of(refusal.code)).value,
            error_code=meaning.number,
            severity=meaning.severity.value,
            retryable=meaning.retryable,
            http_status=refusal.http_status,
        )

    def accepted(self, outcome: Outcome, http_status: int) -> AttemptRow:
        """The same attempt, ended as committed or replayed."""
        return msgspec.structs.replace(
            self,
            outcome=outcome.value,
            error_code=None,
            severity=None,
            retryable=None,
            http_status=http_status,
        )


class Provenance(NamedTuple):
    """The process that began an attempt, and whether it serves HTTP."""

    environment: str
    release: str
    instance: str
    has_edge: bool


FIELDS: Final = AttemptRow.__struct_fields__
_PARAMETERS: Final = tuple(PREFIX + name for name in FIELDS)

# Codes that say that we could not, as opposed to the caller having been wrong.
_FAILURES: Final = frozenset(
    {
        ErrorCode.QUOTE_PERSISTENCE_FAILED,
        ErrorCode.DATABASE_TIMEOUT,
        ErrorCode.DATABASE_TRANSACTION_ABORTED,
        ErrorCode.INTERNAL_ERROR,
    }
)


def outcome_of(code: ErrorCode) -> Outcome:
    """How an attempt that was refused with this code ended."""
    if code is ErrorCode.QUOTE_CONFLICT_VERSION:
        return Outcome.CONFLICT
    return Outcome.FAILED if code in _FAILURES else Outcome.REJECTED


def parameters(row: AttemptRow) -> dict[str, Any]:
    """The row as parameters of a statement."""
    return dict(zip(_PARAMETERS, msgspec.structs.astuple(row), strict=True))


_attempt = table_of(Attempt)
_origin = table_of(Origin)

_queue = table_of(QueuedAttempt)
# What goes on from an attempt's row into the queue.
QUEUED: Final = tuple(_attempt.c[column.name] for column in _queue.columns)


def queued(attempted: CTE) -> CTE:
    """The part of a statement that puts on the queue what another part has added to the ledger.

    Args:
        attempted: an insert that returns `QUEUED`.
    """
    names = [column.name for column in _queue.columns]
    rows = select(*(attempted.c[name] for name in names))
    return insert_into(_queue).from_select(names, rows).cte("queued")


_added = (
    insert_into(_attempt)
    .values({name: parameter(_attempt, name, PREFIX) for name in FIELDS})
    .on_conflict_do_nothing()
)
_INSERT: Final = Statement(_added.returning(_attempt.c.id))
_INSERT_QUEUED: Final = Statement(
    select((attempted := _added.returning(*QUEUED).cte("attempted")).c.id).add_cte(
        queued(attempted)
    )
)
_FIND: Final = Statement(
    select(*(_attempt.c[name] for name in FIELDS)).where(
        _attempt.c.agent_id == parameter(_attempt, "agent_id"),
        _attempt.c.started_at == parameter(_attempt, "started_at"),
        _attempt.c.id == parameter(_attempt, "id"),
    )
)
_ORIGINS: Final = Statement(
    select(_origin.c.id, *(_origin.c[name] for name in Provenance._fields)).where(
        _origin.c.id == func.any(bindparam("ids", type_=ARRAY(BigInteger())))
    )
)
_origin_row = insert_into(_origin).values(
    {column.name: parameter(_origin, column.name) for column in _origin.columns}
)
_REGISTER: Final = Statement(
    _origin_row.on_conflict_do_update(
        index_elements=["id"],
        set_={"has_edge": or_(_origin.c.has_edge, _origin_row.excluded.has_edge)},
    )
)


def insert(connection: psycopg.Connection[Any], row: AttemptRow) -> bool:
    """Adds a row unless its id is there already; waits for a writer of the same id.

    Returns:
        Whether it was added.

    Raises:
        psycopg.Error: it could not be; nothing was added.
    """
    statement = _INSERT_QUEUED if has_queue(connection) else _INSERT
    return statement.run(connection, parameters(row)).fetchone() is not None


def has_queue(connection: psycopg.Connection[Any]) -> bool:
    """Whether this database's rollups are fed by a queue."""
    return isinstance(connection, EngineConnection) and connection.has_attempt_queue


def find(connection: psycopg.Connection[Any], row: AttemptRow) -> AttemptRow | None:
    """The stored row with the same key, or None."""
    key = {"agent_id": row.agent_id, "started_at": row.started_at, "id": row.id}
    found: AttemptRow | None = _FIND.run(connection, key, class_row(AttemptRow)).fetchone()
    return found


def settle(connection: psycopg.Connection[Any], tombstone: AttemptRow) -> AttemptRow:
    """Closes an attempt of which nothing was heard; returns the row that it has from now on.

    The tombstone takes the attempt's place. If it can be inserted, the attempt did not commit and
    never will: should its statement still be on its way, it dies of the taken key. If it cannot,
    the attempt did commit, and its row says as what. While the statement is still running, the
    insert waits for it.

    Raises:
        psycopg.Error: nothing is known yet; settling again is safe.
    """
    if insert(connection, tombstone):
        return tombstone
    found = find(connection, tombstone)
    if found is None:
        raise psycopg.errors.SerializationFailure("the row in the way is not visible yet")
    return found


def origin_id(settings: Settings) -> int:
    """The number under which this process's attempts are stored; the same for the same names."""
    return origin_number(settings.environment, settings.release, settings.instance)


def origin_number(environment: str, release: str, instance: str) -> int:
    """The number that stands for a process's names."""
    names = f"{environment}\0{release}\0{instance}"
    return int.from_bytes(hashlib.sha256(names.encode()).digest()[:8], "big", signed=True)


def provenance(
    connection: psycopg.Connection[Any], origin_ids: Collection[int]
) -> dict[int, Provenance]:
    """What the ledger knows of the processes under these numbers.

    Raises:
        psycopg.Error: it could not be asked.
    """
    found = _ORIGINS.run(connection, {"ids": list(origin_ids)}).fetchall()
    return {number: Provenance(*names) for number, *names in found}


def register_origin(
    connection: psycopg.Connection[Any], settings: Settings, seen_at: datetime, *, has_edge: bool
) -> None:
    """Writes down what this process's number stands for, and whether it serves HTTP."""
    _REGISTER.run(
        connection,
        {
            "id": origin_id(settings),
            "environment": settings.environment,
            "release": settings.release,
            "instance": settings.instance,
            "first_seen_at": seen_at,
            "has_edge": has_edge,
        },
    )
