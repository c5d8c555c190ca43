"""Runs the migrations: one at a time on any database, each in short locks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import psycopg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from engine.clock import Clock
from engine.errors import SetupError

_SCRIPTS: Final = Path(__file__).parent / "migrations"
_LOCK_KEY: Final = 5_390_241  # any number, the same for every release
_LOCK_WAIT_S: Final = 60.0
# A change of a table waits this long for its lock, since saves queue behind it meanwhile; then it
# lets them through and tries again.
_DDL_LOCK: Final = "2s"
_DDL_TRIES: Final = 10
_PAUSE_S: Final = 1.0


class Revision(NamedTuple):
    """One step of the schema."""

    id: str
    title: str


class Status(NamedTuple):
    """Where a database stands.

    Attributes:
        current: the revision that it is at, None for an empty database.
        head: the newest revision that this release knows.
        pending: what `up` would run, in order.
    """

    current: str | None
    head: str
    pending: tuple[Revision, ...]


def owner_engine(conninfo: str) -> Engine:
    """A SQLAlchemy engine over a libpq conninfo, one connection at a time."""
    return create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(conninfo), poolclass=NullPool
    )


def migrate_up(conninfo: str, clock: Clock, revision: str = "head") -> None:
    """Brings a database to a revision.

    Args:
        conninfo: of the owner.
        clock: for waiting.
        revision: the target.

    Raises:
        SetupError: another migration does not end, or a table stays locked.
    """
    with _exclusively(conninfo, clock) as connection:
        _insistently(lambda: command.upgrade(_config(connection), revision), clock)


def migrate_down(conninfo: str, clock: Clock, revision: str) -> None:
    """Takes a database back to a revision; `base` removes everything.

    Raises:
        SetupError: as for `migrate_up`.
    """
    with _exclusively(conninfo, clock) as connection:
        _insistently(lambda: command.downgrade(_config(connection), revision), clock)


def migration_status(conninfo: str) -> Status:
    """Where a database stands, without changing it."""
    script = ScriptDirectory(str(_SCRIPTS))
    head = script.get_current_head() or ""
    with owner_engine(conninfo).connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    steps = [
        Revision(step.revision, (step.doc or "").strip())
        for step in reversed(list(script.iterate_revisions(head, current or "base")))
    ]
    return Status(current, head, tuple(steps))


@contextmanager
def _exclusively(conninfo: str, clock: Clock) -> Iterator[Connection]:
    with owner_engine(conninfo).connect() as connection:
        give_up = clock.monotonic() + _LOCK_WAIT_S
        while not connection.scalar(text(f"SELECT pg_try_advisory_lock({_LOCK_KEY})")):
            if clock.monotonic() > give_up:
                raise SetupError("another migration is running on this database; try again later")
            clock.sleep(0.1)
        connection.execute(text(f"SET lock_timeout = '{_DDL_LOCK}'"))
        connection.commit()
        yield connection  # the lock ends with the session


def _insistently(step, clock: Clock) -> None:  # noqa: ANN001
    for tried in range(_DDL_TRIES):
        try:
            return step()
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) != "55P03":
                raise
            if tried == _DDL_TRIES - 1:
                raise SetupError(
                    "a table stayed locked by other work; the migration changed nothing"
                ) from None
            clock.sleep(_PAUSE_S)


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
