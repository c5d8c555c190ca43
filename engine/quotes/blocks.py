"""The database's side of quote numbers and of the quota: blocks given, active quotes counted."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

import psycopg
from sqlalchemy import BigInteger, Integer, bindparam, cast, func, select
from sqlalchemy.dialects.postgresql import insert

from engine.database.sql import Statement, parameter, table_of, whole, word
from engine.quotes.lifecycle import Status
from engine.quotes.tables import Quote, QuoteNumberBlock

# Statuses in which a quote still asks for somebody's attention, and so counts for the quota.
ACTIVE: Final = (Status.DRAFT, Status.SENT, Status.REJECTED)

_block = table_of(QuoteNumberBlock)
_quote = table_of(Quote)


def take_block(connection: psycopg.Connection[Any], agent_id: UUID, year: int, numbers: int) -> int:
    """Gives an agent the next numbers of a year; the last of them.

    Raises:
        psycopg.Error: they could not be had.
    """
    return _one_number(connection, _TAKE, {"agent_id": agent_id, "year": year, "given": numbers})


def catch_up(connection: psycopg.Connection[Any], agent_id: UUID, year: int) -> None:
    """Counts every number of a year as given up to the highest that the agent's quotes have.

    Raises:
        psycopg.Error: the database could not be asked.
    """
    # Numbers with more digits are not of our making.
    pattern = f"^QT-{year}-([0-9]{{6,9}})$"
    _CATCH_UP.run(connection, {"agent_id": agent_id, "year": year, "quote_number": pattern})


def numbers_given(connection: psycopg.Connection[Any], agent_id: UUID) -> int:
    """How many numbers an agent was ever given, over all years.

    Raises:
        psycopg.Error: the database could not be asked.
    """
    return _one_number(connection, _GIVEN, {"agent_id": agent_id})


def active_quotes(connection: psycopg.Connection[Any], agent_id: UUID, most: int) -> int:
    """How many active quotes an agent has, counted up to `most`; the one dear question here.

    Raises:
        psycopg.Error: the database could not be asked.
    """
    return _one_number(connection, _ACTIVE_UP_TO, {"agent_id": agent_id, "most": most})


_TAKE: Final = Statement(
    (
        taken := insert(_block).values(
            {column.name: parameter(_block, column.name) for column in _block.columns}
        )
    )
    .on_conflict_do_update(
        index_elements=["agent_id", "year"],
        set_={"given": _block.c.given + taken.excluded.given},
    )
    .returning(_block.c.given)
)
_pattern = parameter(_quote, "quote_number")
_CATCH_UP: Final = Statement(
    (
        highest := insert(_block).from_select(
            ["agent_id", "year", "given"],
            select(
                parameter(_block, "agent_id"),
                parameter(_block, "year"),
                func.coalesce(
                    func.max(cast(func.substring(_quote.c.quote_number, _pattern), Integer)),
                    whole(0),
                ),
            ).where(_quote.c.agent_id == parameter(_block, "agent_id")),
        )
    ).on_conflict_do_update(
        index_elements=["agent_id", "year"],
        set_={"given": func.greatest(_block.c.given, highest.excluded.given)},
    )
)
_GIVEN: Final = Statement(
    select(func.coalesce(func.sum(_block.c.given), whole(0))).where(
        _block.c.agent_id == parameter(_block, "agent_id")
    )
)
_ACTIVE_UP_TO: Final = Statement(
    select(func.count()).select_from(
        select(_quote.c.id)
        .where(
            _quote.c.agent_id == parameter(_quote, "agent_id"),
            _quote.c.status.in_([word(status) for status in ACTIVE]),
        )
        .limit(bindparam("most", type_=BigInteger()))
        .subquery("active")
    )
)


def _one_number(
    connection: psycopg.Connection[Any], statement: Statement, values: dict[str, Any]
) -> int:
    row = statement.run(connection, values).fetchone()
    if row is None:
        raise psycopg.InternalError("a statement that always returns a row returned none")
    return int(row[0])
