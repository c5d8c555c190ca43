"""SQLModel sessions, for everything that is not a save."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlmodel import Session

from engine.database.migrate import owner_engine
from engine.database.target import Target


@contextmanager
def session_of(target: Target) -> Iterator[Session]:
    """A session as the application, on a connection of its own; commits at the end.

    Raises:
        sqlalchemy.exc.DBAPIError: as the database says; nothing is stored then.
    """
    engine = owner_engine(target.app)
    try:
        with Session(engine) as session:
            yield session
            session.commit()
    finally:
        engine.dispose()
