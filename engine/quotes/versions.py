"""Reading a quote with all its versions as they stand, deleted or not: for those who investigate.

What callers of the API may see is in `store`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec
import psycopg
from sqlalchemy import Integer, Text, bindparam, cast, func, select

from engine.database.sql import Statement, parameter, table_of
from engine.quotes.lifecycle import Operation
from engine.quotes.paging import goes_on, is_on, walk
from engine.quotes.record import QuoteRecord
from engine.quotes.store import record_of_snapshot
from engine.quotes.tables import Quote, QuoteRevision

# The largest that PostgreSQL's integer holds; no quote has as many versions.
VERSION_MAX: Final = 2**31 - 1

_quote, _revision = table_of(Quote), table_of(QuoteRevision)


class Version(NamedTuple):
    """A revision as it is stored.

    Attributes:
        version: its number.
        operation: in the ledger's words.
        modified_by: an account's id or `system:…`; of a migrated quote it may be anything.
        modified_at: when.
        correlation_id: of the attempt that made it; None of what a migration found.
        attempt_id: likewise.
        attempt_started_at: likewise; with the agent and the id it is the attempt's key.
        changed_fields: columns that the caller named.
        record: what it says; None where the snapshot is not one of a quote.
    """

    version: int
    operation: str
    modified_by: str
    modified_at: datetime
    correlation_id: str | None
    attempt_id: UUID | None
    attempt_started_at: datetime | None
    changed_fields: tuple[str, ...]
    record: QuoteRecord | None


class Versions(NamedTuple):
    """Some versions, newest first, and whether there are older ones."""

    versions: tuple[Version, ...]
    has_older: bool


def read_quote(
    connection: psycopg.Connection[Any], agent_id: UUID, quote_id: UUID
) -> QuoteRecord | None:
    """A quote as it stands, deleted ones too; None when the agent has no such quote.

    Raises:
        psycopg.Error: the database could not be asked.
    """
    row = _QUOTE.run(connection, {"agent_id": agent_id, "id": quote_id}).fetchone()
    return None if row is None else QuoteRecord(*row)


def read_versions(
    connection: psycopg.Connection[Any],
    agent_id: UUID,
    quote_id: UUID,
    *,
    most: int,
    before: int = VERSION_MAX,
) -> Versions:
    """Versions of a quote, newest first, at most `PAGE_BYTES` of them.

    Args:
        connection: to the database.
        agent_id: whose quote.
        quote_id: which.
        most: how many at most.
        before: only versions below this one.

    Raises:
        psycopg.Error: the database could not be asked.
    """
    values = {"agent_id": agent_id, "quote_id": quote_id, "before": before, "most": most}
    rows = _VERSIONS.run(connection, values).fetchall()
    return Versions(tuple(_version(row) for *row, _ in rows), bool(rows and rows[-1][-1]))


def read_version(
    connection: psycopg.Connection[Any], agent_id: UUID, quote_id: UUID, version: int
) -> Version | None:
    """One version of a quote; None when it has no such revision.

    Raises:
        psycopg.Error: the database could not be asked.
    """
    values = {"agent_id": agent_id, "quote_id": quote_id, "version": version}
    row = _VERSION.run(connection, values).fetchone()
    return None if row is None else _version(row)


def _version(row: Sequence[Any]) -> Version:
    version, operation, by, at, correlation_id, attempt_id, started_at, changed, snapshot = row
    named = tuple(name for name in changed.split(",") if name)
    return Version(
        version,
        _operation(operation),
        by,
        at,
        correlation_id,
        attempt_id,
        started_at,
        named,
        _record(snapshot),
    )


def _record(snapshot: Any) -> QuoteRecord | None:  # noqa: ANN401  # whatever JSON there is
    """What a snapshot says; None where that is no quote, or nothing that can be reckoned with."""
    try:
        record = record_of_snapshot(snapshot)
    except (msgspec.ValidationError, AttributeError):
        return None
    return record if all(map(_is_definite, msgspec.structs.astuple(record))) else None


def _is_definite(value: object) -> bool:
    match value:
        case Decimal():
            return value.is_finite()
        case datetime():
            return value.tzinfo is not None
        case _:
            return True


def _operation(number: int) -> str:
    """Its name; the number of one that a newer release wrote."""
    try:
        return Operation(number).name
    except ValueError:
        return f"operation {number}"


_TOLD: Final = (
    _revision.c.version,
    _revision.c.operation,
    _revision.c.modified_by,
    _revision.c.modified_at,
    _revision.c.correlation_id,
    _revision.c.attempt_id,
    _revision.c.attempt_started_at,
    _revision.c.changed_fields,
    _revision.c.snapshot,
)
_OF_THE_QUOTE: Final = (
    _revision.c.agent_id == parameter(_revision, "agent_id"),
    _revision.c.quote_id == parameter(_revision, "quote_id"),
)
_QUOTE: Final = Statement(
    select(*_quote.c).where(
        _quote.c.agent_id == parameter(_quote, "agent_id"),
        _quote.c.id == parameter(_quote, "id"),
    )
)
_page: Final = walk(
    _TOLD,
    _revision.c.version,
    _OF_THE_QUOTE,
    lambda revision: func.octet_length(cast(revision.c.snapshot, Text)),
)
_VERSIONS: Final = Statement(
    select(*(_page.c[column.name] for column in _TOLD), goes_on(_page))
    .where(is_on(_page))
    .order_by(_page.c.place)
)
_VERSION: Final = Statement(
    select(*_TOLD).where(
        *_OF_THE_QUOTE, _revision.c.version == bindparam("version", type_=Integer())
    )
)
