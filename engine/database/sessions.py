"""SQLModel sessions, for everything that is not a save."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

import psycopg
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.pool import NullPool
from sqlmodel import Session

from engine.database.target import Target
from engine.settings import Settings

# Somebody waits in front of a screen; a server that is there takes a connection in milliseconds.
_CONNECT_TIMEOUT_S: Final = 3
# Where no settings are at hand; their own defaults.
_LOCK_TIMEOUT: Final = timedelta(seconds=2)
_STATEMENT_TIMEOUT: Final = timedelta(seconds=8)


@contextmanager
def session_of(target: Target, settings: Settings | None = None) -> Iterator[Session]:
    """A session as the application, on a connection of its own; commits at the end.

    Connecting, waiting for a lock and each statement are bounded.

    Args:
        target: the database.
        settings: how long a lock is waited for, and how long a statement may take; the defaults
            unless given.

    Raises:
        sqlalchemy.exc.DBAPIError: as the database says, or in time; nothing is stored then.
    """
    engine = create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(target.app, connect_timeout=_CONNECT_TIMEOUT_S),
        poolclass=NullPool,
    )
    lock = _LOCK_TIMEOUT if settings is None else settings.lock_timeout
    statement = _STATEMENT_TIMEOUT if settings is None else settings.statement_timeout
    # For the transaction only: a pooler may hand the server's session to somebody else after it.
    bounds = (
        f"SET LOCAL lock_timeout = {_milliseconds(lock)};"
        f" SET LOCAL statement_timeout = {_milliseconds(statement)}"
    )

    def bounded(connection: Connection) -> None:
        connection.exec_driver_sql(bounds)

    event.listen(engine, "begin", bounded)
    try:
        with Session(engine) as session:
            yield session
            session.commit()
    finally:
        engine.dispose()


def _milliseconds(duration: timedelta) -> int:
    # 0 would be for ever.
    return max(int(duration.total_seconds() * 1000), 1)
