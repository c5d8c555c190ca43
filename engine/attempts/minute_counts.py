"""What one process counts by the minute, and stores in a table again and again as it grows."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

import psycopg
from sqlalchemy import Table, func
from sqlalchemy.dialects.postgresql import insert

from engine.database.sql import Statement, parameter

MINUTE: Final = timedelta(minutes=1)
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# A minute that was forgotten counts from nothing, and what belongs to it may come long after it:
# the spool of an outage does, in several parts, between which it is stored. So this is how long
# there is no more of it, and not how long ago it was.
_REMEMBERED: Final = timedelta(hours=6)


class Place(NamedTuple):
    """Where something is counted.

    Attributes:
        bucket: the minute's first instant.
        process_id: of the one that counts and no other, ever.
        origin_id: under which the ledger knows the attempts that are counted.
    """

    bucket: datetime
    process_id: UUID
    origin_id: int


class MinuteCounts:
    """Numbers by minute; safe to use from any thread."""

    def __init__(self, table: Table, names: tuple[str, ...]) -> None:
        """Starts at nothing.

        Args:
            table: with the columns of `Place`, and one for each number.
            names: the numbers' columns.
        """
        self._names = names
        self._nothing = (0,) * len(names)
        self._statement = _store(table, names)
        self._lock = threading.Lock()
        self._minutes: dict[Place, tuple[int, ...]] = {}
        self._unstored: set[Place] = set()
        self._stored_at: dict[Place, datetime] = {}

    def add(self, at: datetime, process_id: UUID, origin_id: int, more: tuple[int, ...]) -> None:
        """Counts something; what is nothing is still stored.

        Args:
            at: the instant that says which minute.
            process_id: of the one that counts.
            origin_id: of what is counted.
            more: what each number grows by.
        """
        place = Place(minute_of(at), process_id, origin_id)
        with self._lock:
            known = self._minutes.get(place, self._nothing)
            self._minutes[place] = tuple(map(sum, zip(known, more, strict=True)))
            self._unstored.add(place)

    @property
    def has_news(self) -> bool:
        """Whether something was counted since it was stored."""
        return bool(self._unstored)

    def unstored(self) -> list[datetime]:
        """The minutes that have changed since they were stored, oldest first."""
        with self._lock:
            return sorted({each.bucket for each in self._unstored})

    def store(self, connection: psycopg.Connection[Any], now: datetime) -> int:
        """Writes down the minutes that have changed; returns how many.

        Raises:
            psycopg.Error: they could not be written; the next call tries again.
        """
        with self._lock:
            unstored = sorted(self._unstored)
            counted = [(place, self._minutes[place]) for place in unstored]
        for place, count in counted:
            values = {**place._asdict(), **dict(zip(self._names, count, strict=True))}
            self._statement.run(connection, values)
            with self._lock:
                self._stored_at[place] = now
                if self._minutes.get(place) == count:
                    self._unstored.discard(place)
        self._forget(now)
        return len(counted)

    def _forget(self, now: datetime) -> None:
        """Minutes that are stored, and of which there was no more for long, need not be kept."""
        with self._lock:
            for place in [each for each, at in self._stored_at.items() if now - at > _REMEMBERED]:
                if place not in self._unstored:
                    self._minutes.pop(place, None)
                    del self._stored_at[place]


def minute_of(instant: datetime) -> datetime:
    """The first instant of the minute."""
    return instant - (instant - EPOCH) % MINUTE


def _store(table: Table, names: tuple[str, ...]) -> Statement:
    """Counts of a process only grow, so that storing them twice does no harm."""
    row = insert(table).values(
        {column.name: parameter(table, column.name) for column in table.columns}
    )
    return Statement(
        row.on_conflict_do_update(
            index_elements=["bucket", "process_id"],
            set_={name: func.greatest(table.c[name], row.excluded[name]) for name in names},
        )
    )
