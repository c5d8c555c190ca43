"""Runs the migrations: one at a time on any database, each in short locks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import psycopg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from engine.clock import Clock
from engine.database.migrations import session
from engine.database.schema_journal import SchemaJournal
from engine.database.target import APP_ROLE, explain
from engine.errors import SetupError

_SCRIPTS: Final = Path(__file__).parent / "migrations"
_LOCK_KEY: Final = 5_390_241  # any number, the same for every release
_TRY_LOCK: Final = f"SELECT pg_try_advisory_xact_lock({_LOCK_KEY})".encode()
_LOCK_WAIT_S: Final = 60.0
_LOCK_PAUSE_S: Final = 0.1
# With the second that each try waits for its lock: a minute, enough for any save and any report
# but a dump.
_TRIES: Final = 30
_PAUSE_S: Final = 1.0
# A lock was not to be had, or we were chosen to end a deadlock: the next try may go through.
_WORTH_ANOTHER_TRY: Final = frozenset({"55P03", "40P01"})
_LINE_BROKE: Final = ("08", "57P")


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
    """Brings a database to a revision; one that is there already, or further, is left alone.

    Args:
        conninfo: of the owner.
        clock: for waiting.
        revision: the target.

    Raises:
        SetupError: the database cannot be used or is newer than this release, its role lacks a
            privilege, another migration does not end, or a table stays locked.
    """
    if revision == "head" and not migration_status(conninfo).pending:
        return  # needs neither the lock nor the owner
    with _alone(conninfo, clock), _session(conninfo) as connection:
        if _status(connection).pending:
            _check_privileges(connection)
        config = _config(connection, clock)
        _insistently(connection, clock, lambda: command.upgrade(config, revision))


def migrate_down(conninfo: str, clock: Clock, revision: str) -> None:
    """Takes a database back to a revision; `base` removes everything but the roles.

    Raises:
        SetupError: as for `migrate_up`, or the revision is not below the database's.
    """
    with _alone(conninfo, clock), _session(conninfo) as connection:
        _status(connection)
        config = _config(connection, clock)
        _insistently(connection, clock, lambda: command.downgrade(config, revision))
        if _status(connection).current is None:
            _insistently(connection, clock, lambda: _forget_revisions(connection))


def migration_status(conninfo: str) -> Status:
    """Where a database stands, without changing it.

    Raises:
        SetupError: the database cannot be used, or is newer than this release.
    """
    with _session(conninfo) as connection:
        return _status(connection)


def _status(connection: Connection) -> Status:
    current = MigrationContext.configure(connection).get_current_revision()
    connection.rollback()  # it only read; Alembic minds a transaction that it did not begin
    script = ScriptDirectory(str(_SCRIPTS))
    newest_first = [
        Revision(step.revision, (step.doc or "").strip()) for step in script.walk_revisions()
    ]
    known = [step.id for step in newest_first]
    if current is not None and current not in known:
        raise SetupError(
            f"the database is at revision {current}, which this release does not know; "
            "update Saveguard"
        )
    pending = newest_first[: None if current is None else known.index(current)]
    return Status(current, known[0], tuple(reversed(pending)))


def _check_privileges(connection: Connection) -> None:
    """Says beforehand what would fail half-way."""
    user, database, is_standby, may_create, has_role, may_create_role = connection.execute(
        text("""
            SELECT
                quote_ident(current_user),
                quote_ident(current_database()),
                pg_is_in_recovery(),
                coalesce(has_schema_privilege(to_regnamespace('public'), 'CREATE'), false),
                EXISTS (SELECT FROM pg_roles WHERE rolname = :app_role),
                (SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user)
        """),
        {"app_role": APP_ROLE},
    ).one()
    connection.rollback()
    if is_standby:
        raise SetupError("the database is a standby; migrations run on the primary")
    if user == APP_ROLE:
        raise SetupError(
            f"migrations must not run as {APP_ROLE}, which could then change the ledger: set "
            "SAVEGUARD_OWNER_DATABASE_URL to the owner's URL"
        )
    if not may_create:
        raise SetupError(
            f"{user} may not create tables in the schema public of {database}: as the database's "
            f"owner run GRANT CREATE ON SCHEMA public TO {user}; or set "
            "SAVEGUARD_OWNER_DATABASE_URL to a role that may"
        )
    if not has_role and not may_create_role:
        raise SetupError(
            f"the role {APP_ROLE} is missing, and {user} may not create roles: as a superuser run "
            f"CREATE ROLE {APP_ROLE}; GRANT {APP_ROLE} TO {user}; then try again"
        )


def _forget_revisions(connection: Connection) -> None:
    with connection.begin():
        connection.execute(text("DROP TABLE IF EXISTS alembic_version"))


@contextmanager
def _alone(conninfo: str, clock: Clock) -> Iterator[None]:
    """While no other migration runs on this database.

    The lock is a transaction's, on a connection of its own: a session's would stay behind on a
    pooler's connection, and every later migration would wait for it.
    """
    try:
        holder = psycopg.connect(conninfo)
    except psycopg.Error as error:
        raise SetupError(explain(error, conninfo)) from None
    with closing(holder):
        give_up = clock.monotonic() + _LOCK_WAIT_S
        while not _took_lock(holder, conninfo):
            if clock.monotonic() > give_up:
                raise SetupError("another migration is running on this database; try again later")
            clock.sleep(_LOCK_PAUSE_S)
        yield


def _took_lock(holder: psycopg.Connection[tuple[bool]], conninfo: str) -> bool:
    try:
        session.bound(holder)
        # Without a parameter: the portal of one with parameters would keep a snapshot until the
        # transaction's end, and an index that is built concurrently would wait for us for ever.
        row = holder.execute(_TRY_LOCK).fetchone()
    except psycopg.Error as error:
        raise SetupError(explain(error, conninfo)) from None
    return row is not None and row[0]


@contextmanager
def _session(conninfo: str) -> Iterator[Connection]:
    """A connection whose every transaction is bounded, and whose errors are one line."""
    engine = owner_engine(conninfo)
    event.listen(engine, "begin", _bound)
    try:
        with engine.connect() as connection:
            yield connection
    except (DBAPIError, psycopg.Error) as error:
        # What broke the line or refused it is known from one line; a failing statement is a fault
        # of ours, of which somebody will want the rest.
        cause = _driver_error(error)
        is_ours = cause.sqlstate is not None and not cause.sqlstate.startswith(_LINE_BROKE)
        raise SetupError(_why(cause, conninfo)) from (error if is_ours else None)
    except CommandError as error:
        reason = str(error).splitlines()[0]
        raise SetupError(f"cannot migrate: {reason}; see saveguard migrate status") from None


def _bound(connection: Connection) -> None:
    driver = connection.connection.driver_connection
    if isinstance(driver, psycopg.Connection) and not driver.autocommit:
        session.bound(driver)


def _driver_error(error: DBAPIError | psycopg.Error) -> psycopg.Error:
    cause = error.orig if isinstance(error, DBAPIError) else error
    return cause if isinstance(cause, psycopg.Error) else psycopg.Error(type(cause).__name__)


def _why(error: psycopg.Error, conninfo: str) -> str:
    state, said = error.sqlstate, error.diag.message_primary
    if state is None or said is None or state.startswith(_LINE_BROKE):
        return explain(error, conninfo)
    if state == "42501":
        return (
            f"the role may not migrate ({said}): set SAVEGUARD_OWNER_DATABASE_URL to the role "
            "that owns the tables"
        )
    return f"the migration failed and its open transaction was rolled back: {said} ({state})"


def _insistently(connection: Connection, clock: Clock, step: Callable[[], None]) -> None:
    """Runs a step until no lock is in its way, letting everybody else through between two tries."""
    for _ in range(_TRIES):
        try:
            return step()
        except (DBAPIError, psycopg.Error) as error:
            if _driver_error(error).sqlstate not in _WORTH_ANOTHER_TRY:
                raise
            connection.rollback()
            clock.sleep(_PAUSE_S)
    raise SetupError(
        f"a table stayed locked{_by_whom(connection)}: end that work or let it end, then try "
        "again; what is done so far stays valid"
    )


def _by_whom(connection: Connection) -> str:
    holders = connection.scalar(
        text("""
            SELECT string_agg(DISTINCT format('%s (%s)', a.pid, n.name), ', ')
            FROM pg_locks l
            JOIN pg_class c ON c.oid = l.relation AND c.relnamespace = to_regnamespace('public')
            JOIN pg_stat_activity a ON a.pid = l.pid AND a.datname = current_database()
            CROSS JOIN LATERAL coalesce(nullif(a.application_name, ''), a.usename) AS n (name)
            WHERE l.locktype = 'relation' AND l.granted AND l.pid <> pg_backend_pid()
        """)
    )
    return f" by process {holders}" if holders else ""


def _config(connection: Connection, clock: Clock) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    config.attributes["noted"] = SchemaJournal(clock)
    return config
