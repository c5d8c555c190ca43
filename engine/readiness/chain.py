"""The chain as the database has it, read in order and in one snapshot, however long it is."""

# ruff: noqa: S608 - statements are put together from constants of this file

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, LiteralString

import psycopg
from psycopg import IsolationLevel
from psycopg.rows import DictRow, dict_row

from engine.database.target import Target

# Rows that are in memory at once.
_ROWS: Final = 2_000
_RECORDED: Final = """
    r.id::text AS id, r.release_id::text AS "releaseId", r.kind, r.item_id AS "itemId",
    r.phase_id AS "phaseId",
    to_char(r.recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS "recordedAt",
    r.recorded_by AS "recordedBy", r.account_id::text AS "accountId", r.body,
    encode(r.digest, 'hex') AS digest
"""
_SEALS: Final = """
    SELECT number, count, encode(previous, 'hex') AS previous, encode(head, 'hex') AS head,
        to_char(sealed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS "sealedAt",
        encode(signature, 'hex') AS signature
    FROM readiness_seal
    ORDER BY number
"""
_SEALED: Final[LiteralString] = f"""
    SELECT d.seal_number, d.record_id::text AS sealed, {_RECORDED}
    FROM readiness_sealed AS d
    LEFT JOIN readiness_record AS r ON r.id = d.record_id
    ORDER BY d.seal_number, d.place
"""
_WAITING: Final[LiteralString] = f"""
    SELECT {_RECORDED}
    FROM readiness_record AS r
    WHERE NOT EXISTS (
        SELECT FROM readiness_sealed AS d
        JOIN readiness_seal AS s ON s.number = d.seal_number
        WHERE d.record_id = r.id
    )
    ORDER BY r.recorded_at, r.id
"""

Record = Mapping[str, Any]


class Chain:
    """Seals and records as the verifier takes them."""

    def __init__(self, connection: psycopg.Connection[DictRow]) -> None:
        self._connection = connection

    def seals(self) -> Sequence[Mapping[str, Any]]:
        """All seals, without their records."""
        return self._connection.execute(_SEALS).fetchall()

    def sealed(
        self, seals: Sequence[Mapping[str, Any]]
    ) -> Iterator[tuple[Mapping[str, Any], Sequence[tuple[str, Record | None]]]]:
        """Each seal with what it has sealed, in order; None for a record that is not there.

        Args:
            seals: all of them.
        """
        rows = groupby(self._rows(_SEALED), key=itemgetter("seal_number"))
        group = next(rows, None)
        for seal in seals:
            while group is not None and group[0] < seal["number"]:
                group = next(rows, None)  # of a seal that there is not
            sealed: Sequence[tuple[str, Record | None]] = ()
            if group is not None and group[0] == seal["number"]:
                sealed = [(row["sealed"], None if row["id"] is None else row) for row in group[1]]
                group = next(rows, None)
            yield seal, sealed

    def waiting(self) -> Iterator[Record]:
        """The records that no seal has, oldest first."""
        return self._rows(_WAITING)

    def _rows(self, query: LiteralString) -> Iterator[DictRow]:
        with self._connection.cursor("chain") as cursor:
            cursor.itersize = _ROWS
            cursor.execute(query)
            yield from cursor


@contextmanager
def reading(target: Target) -> Iterator[Chain]:
    """The chain in one snapshot, which it is read from as it was when the block began.

    Raises:
        psycopg.Error: the database could not be read.
    """
    with psycopg.connect(target.app, row_factory=dict_row) as connection:
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        yield Chain(connection)
