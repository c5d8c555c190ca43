"""Reading quotes: one, a page of them, and a page of the history of one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import Text, cast, func, literal_column, select

from engine.database.pool import Pool
from engine.database.sql import Statement, parameter, table_of, word
from engine.quotes.lifecycle import Operation, Status
from engine.quotes.paging import BELOW, goes_on, is_on, walk
from engine.quotes.record import WIRE_NAMES, QuoteRecord
from engine.quotes.tables import Quote, QuoteRevision

_quote, _revision = table_of(Quote), table_of(QuoteRevision)

# Above every id and every version: where the first page starts.
_FIRST_ID: Final = UUID(int=2**128 - 1)
_FIRST_VERSION: Final = 2**31 - 1


class Revision(msgspec.Struct, frozen=True, rename="camel"):
    """One entry of a quote's history."""

    version: int
    operation: str
    modified_by: str
    modified_at: datetime
    correlation_id: str | None
    changed_fields: list[str]
    quote: QuoteRecord


class Page(NamedTuple):
    """Quotes of a list, newest first, and where the next page starts."""

    quotes: Sequence[QuoteRecord]
    next_after: UUID | None


class HistoryPage(NamedTuple):
    """Revisions of a quote, newest first, and the version that the next page starts after."""

    revisions: Sequence[Revision]
    next_after: int | None


class QuoteStore:
    """Reads an agent's quotes; deleted ones are not there."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def get(self, agent_id: UUID, quote_id: UUID) -> QuoteRecord | None:
        """One quote, or None when it is absent, deleted or another agent's.

        Raises:
            psycopg.Error: the database could not be asked.
            PoolTimeout: the same.
        """
        with self._pool.connection() as connection:
            row = _GET.run(connection, {"agent_id": agent_id, "id": quote_id}).fetchone()
        return None if row is None else QuoteRecord(*row)

    def page(
        self,
        agent_id: UUID,
        *,
        limit: int,
        status: Status | None = None,
        client_id: UUID | None = None,
        before: UUID | None = None,
    ) -> Page:
        """A page of an agent's quotes, newest first, of at most `PAGE_BYTES`.

        Args:
            agent_id: whose.
            limit: how many at most.
            status: only these; all but deleted ones unless given.
            client_id: only this client's.
            before: only quotes older than this one, the last of the page before.

        Raises:
            psycopg.Error: the database could not be asked.
            PoolTimeout: the same.
        """
        statement = _page(by_status=status is not None, by_client=client_id is not None)
        values = {
            "agent_id": agent_id,
            "status": None if status is None else status.value,
            "client_id": client_id,
            "before": before or _FIRST_ID,
            "most": limit,
        }
        with self._pool.connection() as connection:
            rows = statement.run(connection, values).fetchall()
        quotes = [QuoteRecord(*row) for *row, _ in rows]
        return Page(quotes, quotes[-1].id if rows and rows[-1][-1] else None)

    def history(
        self, agent_id: UUID, quote_id: UUID, *, limit: int, before: int | None = None
    ) -> HistoryPage | None:
        """A page of a quote's versions, newest first, of at most `PAGE_BYTES`.

        Args:
            agent_id: whose.
            quote_id: which.
            limit: how many at most.
            before: only versions older than this one, the last of the page before.

        Returns:
            The page, or None when there is no such quote.

        Raises:
            psycopg.Error: the database could not be asked.
            PoolTimeout: the same.
        """
        values = {
            "agent_id": agent_id,
            "quote_id": quote_id,
            "before": before or _FIRST_VERSION,
            "most": limit,
        }
        with self._pool.connection() as connection:
            rows = _HISTORY.run(connection, values).fetchall()
        if not rows:
            return None
        revisions = [_revision_of(row) for *row, _ in rows if row[0] is not None]
        return HistoryPage(revisions, revisions[-1].version if rows[-1][-1] else None)


def _revision_of(row: Sequence[Any]) -> Revision:
    version, operation, modified_by, modified_at, correlation_id, changed, snapshot = row
    return Revision(
        version,
        Operation(operation).name,
        modified_by,
        modified_at,
        correlation_id,
        [WIRE_NAMES.get(name, name) for name in changed.split(",") if name],
        record_of_snapshot(snapshot),
    )


def record_of_snapshot(snapshot: dict[str, Any]) -> QuoteRecord:
    """The quote that a revision's snapshot holds."""
    values = {wire: snapshot.get(column) for column, wire in WIRE_NAMES.items()}
    return msgspec.convert(values, QuoteRecord, strict=False)


_GET: Final = Statement(
    select(*_quote.c).where(
        _quote.c.agent_id == parameter(_quote, "agent_id"),
        _quote.c.id == parameter(_quote, "id"),
        _quote.c.status != word(Status.CANCELLED),
    )
)
_told: Final = (
    _revision.c.version,
    _revision.c.operation,
    _revision.c.modified_by,
    _revision.c.modified_at,
    _revision.c.correlation_id,
    _revision.c.changed_fields,
    _revision.c.snapshot,
)
_revisions: Final = walk(
    _told,
    _revision.c.version,
    (
        _revision.c.agent_id == parameter(_revision, "agent_id"),
        _revision.c.quote_id == parameter(_revision, "quote_id"),
    ),
    lambda revision: func.octet_length(cast(revision.c.snapshot, Text)),
)
# One row without a revision for a quote that has none before the version asked for, and no row for
# a quote that is not there.
_HISTORY: Final = Statement(
    select(*(_revisions.c[column.name] for column in _told), goes_on(_revisions))
    .select_from(_quote.outerjoin(_revisions, is_on(_revisions)))
    .where(
        _quote.c.agent_id == parameter(_quote, "agent_id"),
        _quote.c.id == parameter(_quote, "id", "quote_"),
        _quote.c.status != word(Status.CANCELLED),
    )
    .order_by(_revisions.c.place)
)


@cache
def _page(*, by_status: bool, by_client: bool) -> Statement:
    where = [_quote.c.agent_id == parameter(_quote, "agent_id")]
    if by_status:
        where.append(_quote.c.status == parameter(_quote, "status"))
    else:
        where.append(_quote.c.status != word(Status.CANCELLED))
    if by_client:
        where.append(_quote.c.client_id == parameter(_quote, "client_id"))
    quotes = walk(
        tuple(_quote.c),
        _quote.c.id,
        where,
        lambda _below: func.octet_length(cast(func.row_to_json(literal_column(BELOW)), Text)),
    )
    return Statement(
        select(*(quotes.c[column.name] for column in _quote.c), goes_on(quotes))
        .where(is_on(quotes))
        .order_by(quotes.c.place)
    )
