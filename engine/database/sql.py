"""SQL built from the SQLModel tables with SQLAlchemy Core, compiled once, run by psycopg.

A save's statement has more parameters than psycopg caches the parsing of; sent with PostgreSQL's
own placeholders ($1) it needs no parsing at all, which measured half a millisecond per save.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import itemgetter
from typing import Any, Final

import psycopg
from psycopg.rows import RowFactory, tuple_row
from sqlalchemy import ColumnElement, Integer, Table, Text, bindparam, literal_column
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.sql.elements import ClauseElement
from sqlmodel import SQLModel

_DIALECT: Final = PGDialect_psycopg(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]


class Statement:
    """A compiled statement and the names of its parameters, in the order of $1, $2 and so on."""

    __slots__ = ("_sql", "_values_of", "names")

    def __init__(self, clause: ClauseElement) -> None:
        """Compiles a SQLAlchemy Core clause; every parameter in it must be named by us."""
        compiled = clause.compile(dialect=_DIALECT)
        self._sql = str(compiled).encode()
        self.names: tuple[str, ...] = tuple(getattr(compiled, "positiontup", None) or ())
        self._values_of = _getter(self.names)

    @property
    def text(self) -> str:
        """The SQL as it is sent."""
        return self._sql.decode()

    def run(
        self,
        connection: psycopg.Connection[Any],
        values: Mapping[str, Any],
        row_factory: RowFactory[Any] = tuple_row,
    ) -> psycopg.RawCursor[Any]:
        """Executes it, prepared where the connection prepares; names not used are ignored.

        Raises:
            psycopg.Error: as the database says.
            KeyError: a parameter has no value.
        """
        cursor = psycopg.RawCursor(connection, row_factory=row_factory)
        cursor.execute(self._sql, self._values_of(values))
        return cursor


def _getter(names: tuple[str, ...]) -> Any:  # noqa: ANN401  # Mapping → tuple of its values
    if len(names) > 1:
        return itemgetter(*names)
    return lambda values: tuple(values[name] for name in names)


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


def fault_function(signature: str, rules: Mapping[str, str]) -> str:
    """The DDL of a function that names the first rule that a row breaks; null when it breaks none.

    Args:
        signature: name and parameters.
        rules: name of the rule → what must hold, over the parameters.
    """
    cases = "\n".join(f"        WHEN NOT ({rule}) THEN '{name}'" for name, rule in rules.items())
    return (
        f"CREATE OR REPLACE FUNCTION {signature} RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$\n"
        f"BEGIN\n    RETURN CASE\n{cases}\n    END;\nEND\n$$"
    )
