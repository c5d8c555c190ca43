"""Building SQL text from the SQLModel tables with SQLAlchemy Core, for psycopg to run."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import ColumnElement, Integer, Table, Text, bindparam, literal_column
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.sql.elements import ClauseElement
from sqlmodel import SQLModel

_DIALECT: Final = PGDialect_psycopg()  # type: ignore[no-untyped-call]


def sql_of(statement: ClauseElement) -> str:
    """The SQL text of a statement, with named parameters as psycopg takes them."""
    return str(statement.compile(dialect=_DIALECT))


def table_of(model: type[SQLModel]) -> Table:
    """The Core table behind a SQLModel class."""
    table: Table = model.__table__  # type: ignore[attr-defined]
    return table


def parameter(table: Table, column: str, prefix: str = "") -> ColumnElement[Any]:
    """A parameter of a column's type, named after it."""
    return bindparam(prefix + column, type_=table.c[column].type)


def whole(number: int) -> ColumnElement[int]:
    """A whole number of ours, written into the SQL."""
    return literal_column(str(int(number)), Integer())


def word(constant: str) -> ColumnElement[str]:
    """A word of ours, written into the SQL; never for anything that came from outside."""
    return literal_column(f"'{constant}'", Text())
