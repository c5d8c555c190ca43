"""What is read in a session, for the memory of readings: its errors are those of a connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import psycopg
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from engine.database.sessions import session_of
from engine.runtime import Runtime

T = TypeVar("T")


def in_session(runtime: Runtime, read: Callable[[Session], T]) -> T:
    """What is read in a session of its own.

    Raises:
        psycopg.Error: the database could not be asked.
    """
    try:
        with session_of(runtime.target) as session:
            return read(session)
    except DBAPIError as error:
        if isinstance(error.orig, psycopg.Error):
            raise error.orig from error
        raise
