"""Reading quotes: one, a page of them, and the history of one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import BigInteger, bindparam, select

from engine.database.pool import Pool
from engine.database.sql import Statement, parameter, table_of, whole, word
from engine.quotes.lifecycle import Operation, Status
from engine.quotes.record import WIRE_NAMES, QuoteRecord
from engine.quotes.tables import Quote, QuoteRevision

_quote, _revision = table_of(Quote), table_of(QuoteRevision)

HISTORY_MAX: Final = 1_000


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
        """A page of an agent's quotes, newest first.

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
        statement = _page(
            by_status=status is not None,
            by_client=client_id is not None,
            goes_on=before is not None,
        )
        values = {
            "agent_id": agent_id,
            "status": None if status is None else status.value,
            "client_id": client_id,
            "id": before,
            "most": limit + 1,
        }
        with self._pool.connection() as connection:
            rows = statement.run(connection, values).fetchall()
        quotes = [QuoteRecord(*row) for row in rows[:limit]]
        return Page(quotes, quotes[-1].id if len(rows) > limit else None)

    def history(self, agent_id: UUID, quote_id: UUID) -> list[Revision] | None:
        """Every version of a quote, newest first, or None when there is no such quote.

        Raises:
            psycopg.Error: the database could not be asked.
            PoolTimeout: the same.
        """
        with self._pool.connection() as connection:
            rows = _HISTORY.run(connection, {"agent_id": agent_id, "quote_id": quote_id}).fetchall()
        revisions = [_revision_of(row) for row in rows]
        if not revisions or revisions[0].quote.status == Status.CANCELLED:
            return None
        return revisions


def _revision_of(row: tuple[Any, ...]) -> Revision:
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
    values = {
        field.encode_name: snapshot.get(field.name) for field in msgspec.structs.fields(QuoteRecord)
    }
    return msgspec.convert(values, QuoteRecord, strict=False)


_GET: Final = Statement(
    select(*_quote.c).where(
        _quote.c.agent_id == parameter(_quote, "agent_id"),
        _quote.c.id == parameter(_quote, "id"),
        _quote.c.status != word(Status.CANCELLED),
    )
)
_HISTORY: Final = Statement(
    select(
        _revision.c.version,
        _revision.c.operation,
        _revision.c.modified_by,
        _revision.c.modified_at,
        _revision.c.correlation_id,
        _revision.c.changed_fields,
        _revision.c.snapshot,
    )
    .where(
        _revision.c.agent_id == parameter(_revision, "agent_id"),
        _revision.c.quote_id == parameter(_revision, "quote_id"),
    )
    .order_by(_revision.c.version.desc())
    .limit(whole(HISTORY_MAX))
)


@cache
def _page(*, by_status: bool, by_client: bool, goes_on: bool) -> Statement:
    query = select(*_quote.c).where(_quote.c.agent_id == parameter(_quote, "agent_id"))
    if by_status:
        query = query.where(_quote.c.status == parameter(_quote, "status"))
    else:
        query = query.where(_quote.c.status != word(Status.CANCELLED))
    if by_client:
        query = query.where(_quote.c.client_id == parameter(_quote, "client_id"))
    if goes_on:
        query = query.where(_quote.c.id < parameter(_quote, "id"))
    newest_first = query.order_by(_quote.c.id.desc())
    return Statement(newest_first.limit(bindparam("most", type_=BigInteger())))
