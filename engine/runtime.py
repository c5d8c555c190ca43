"""What a process needs to save, opened once and closed in order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

import psycopg
from psycopg_pool import PoolTimeout

from engine.access.identities import Identities
from engine.access.sign_ins import SignIns
from engine.attempts import ledger
from engine.attempts.edge_counts import EdgeCounts
from engine.attempts.journal import Journal
from engine.attempts.ledger import Provenance
from engine.attempts.line_counts import LineCounts
from engine.attempts.line_writer import LineWriter
from engine.attempts.lines import KIND
from engine.attempts.partitions import ensure_partitions
from engine.attempts.sweeper import Sweeper
from engine.clock import Clock, SystemClock
from engine.database.migrate import migrate_up, migration_status
from engine.database.pool import Pool
from engine.database.target import APP_ROLE, Target, open_target
from engine.errors import SetupError
from engine.log_files import Keeping, LogFile
from engine.quotes.store import QuoteStore
from engine.saving.save import Observer, Reporter, Saver
from engine.settings import Settings

# Reads and background work have connections of their own: a burst of them must not make saves wait.
_READ_POOL_SIZE: Final = 4
# A tick holds its lock on one and looks on another; watchdog and heartbeat share the third. Neither
# readers nor saves can make any of them wait.
_ALERT_POOL_SIZE: Final = 3
# A server on a busy machine may take seconds to take a first connection, which no save must wait.
_START_PATIENCE_S: Final = 10.0
# What is not of an attempt, see `engine.logs`.
PROCESS_LOG: Final = "process"


@dataclass(frozen=True, slots=True)
class Runtime:
    """The engine of one process."""

    settings: Settings
    target: Target
    clock: Clock
    save_pool: Pool
    read_pool: Pool
    alert_pool: Pool
    journal: Journal
    saver: Saver
    quotes: QuoteStore
    identities: Identities
    sign_ins: SignIns
    sweeper: Sweeper
    lines: LineWriter
    edge_counts: EdgeCounts | None


@contextmanager
def open_runtime(
    settings: Settings,
    target: Target,
    *,
    clock: Clock | None = None,
    has_edge: bool = False,
    save_connections: int | None = None,
    observe: Observer = lambda _row, _result, _seconds: None,
    report: Reporter = lambda _correlation_id, _error: None,
) -> Iterator[Runtime]:
    """Opens pools and journal, and registers this process with the ledger.

    Args:
        settings: as read at the edge.
        target: a migrated database.
        clock: the system's unless a test brings its own.
        has_edge: whether this process serves HTTP, so that its attempts are those of requests.
        save_connections: saves at once; as the settings say unless given.
        observe: told of every ended attempt.
        report: told of what should never happen.

    Raises:
        SetupError: the journal cannot be written, or the database cannot be used.
    """
    clock = clock or SystemClock()
    size = settings.pool_size if save_connections is None else save_connections
    save_pool = Pool(target, settings, clock, size=size)
    read_pool = Pool(target, settings, clock, size=_READ_POOL_SIZE)
    # Without a connection until somebody evaluates alerts, which most commands do not.
    alert_pool = Pool(target, settings, clock, size=_ALERT_POOL_SIZE, least=0)
    with ExitStack() as opened:
        for pool in (save_pool, read_pool, alert_pool):
            pool.open()
            opened.callback(pool.close)
        installation, feed = _register(read_pool, settings, clock, has_edge=has_edge)
        for pool in (save_pool, read_pool):
            pool.has_attempt_queue = feed == "queue"
        journal = _journal(settings, clock, installation)
        opened.callback(journal.close)
        process_id = clock.uuid7()
        lines = _line_writer(settings, clock, process_id, has_edge=has_edge)
        opened.callback(lines.close)
        yield Runtime(
            settings=settings,
            target=target,
            clock=clock,
            save_pool=save_pool,
            read_pool=read_pool,
            alert_pool=alert_pool,
            journal=journal,
            saver=Saver(
                save_pool, journal, settings, clock, lines=lines, observe=observe, report=report
            ),
            quotes=QuoteStore(read_pool),
            identities=Identities(read_pool, settings, clock),
            sign_ins=SignIns(read_pool, settings, clock),
            sweeper=Sweeper(read_pool, journal, lines),
            lines=lines,
            edge_counts=EdgeCounts(process_id, ledger.origin_id(settings)) if has_edge else None,
        )


def log_directory(settings: Settings) -> Path:
    """Where the log files of this installation lie."""
    return settings.data_dir / "logs"


def log_file(settings: Settings, clock: Clock, kind: str, process_id: UUID) -> LogFile:
    """This process's log file of a kind; nothing is made before its first line.

    Args:
        settings: where, and how much is kept.
        clock: for the age of files.
        kind: `PROCESS_LOG` or that of the attempts' lines.
        process_id: of this process and no other, ever.
    """
    keeping = Keeping(settings.log_file_size, settings.log_files, timedelta(days=settings.log_days))
    writer = f"{settings.instance}-{process_id}"
    return LogFile(log_directory(settings), kind, writer, keeping, clock)


def _line_writer(
    settings: Settings, clock: Clock, process_id: UUID, *, has_edge: bool
) -> LineWriter:
    origin_id = ledger.origin_id(settings)
    return LineWriter(
        log_file(settings, clock, KIND, process_id),
        LineCounts(process_id, origin_id),
        origin_id,
        Provenance(settings.environment, settings.release, settings.instance, has_edge),
        clock,
    )


def _journal(settings: Settings, clock: Clock, installation: UUID) -> Journal:
    """This process's journal, beside those of the same database only.

    Two databases may be used from one data directory, one after the other or at once; what a dead
    process left behind must never be written into the other one's ledger.
    """
    directory = settings.data_dir / "journal" / str(installation)
    try:
        return Journal(directory, f"{settings.instance}-{clock.uuid7()}")
    except OSError as error:
        raise SetupError(f"the journal {directory} cannot be written: {error.strerror}") from None


def open_database(settings: Settings, clock: Clock, *, migrate: bool = False) -> Target:
    """The database, ready for this release.

    The embedded one belongs to us and is migrated whenever it is behind; another one only by
    `saveguard migrate up` and `saveguard up`.

    Args:
        settings: where it is.
        clock: for waiting, and for which days need a partition.
        migrate: whether to migrate one that is not ours, too.

    Raises:
        SetupError: it cannot be reached, or is behind and may not be migrated.
    """
    target = open_target(settings)
    status = migration_status(target.owner)
    if status.pending:
        if not (migrate or settings.is_embedded):
            raise SetupError(
                f"the database is at revision {status.current or 'base'}, this release needs"
                f" {status.head}; run: saveguard migrate up"
            )
        migrate_up(target.owner, clock)
    if migrate or settings.is_embedded:
        with psycopg.connect(target.owner, autocommit=True) as connection:
            ensure_partitions(connection, clock.now())
    return target


def _register(pool: Pool, settings: Settings, clock: Clock, *, has_edge: bool) -> tuple[UUID, str]:
    """Writes down what this process's number stands for.

    Returns:
        Which installation this is, and how its rollups are fed.
    """
    try:
        pool.await_first(_START_PATIENCE_S)
        with pool.connection() as connection:
            ledger.register_origin(connection, settings, clock.now(), has_edge=has_edge)
            may_change = connection.execute(_MAY_CHANGE_LEDGER).fetchone()
            installation = connection.execute(_INSTALLATION).fetchone()
    except psycopg.errors.UndefinedTable:
        raise SetupError("the database is not migrated; run: saveguard migrate up") from None
    except (psycopg.Error, PoolTimeout) as error:
        raise SetupError(f"the database cannot be used: {type(error).__name__}") from None
    if installation is None:
        raise SetupError("the database has lost its installation's name; restore its one row")
    if may_change is None or may_change[0]:
        raise SetupError(
            "this login may change the ledger, which then proves nothing:"
            f" log in as {APP_ROLE}, or as a member of it"
        )
    name, feed = installation
    return name, feed


_INSTALLATION: Final = "SELECT installation.id, rollup_state.feed FROM installation, rollup_state"
_MAY_CHANGE_LEDGER: Final = """
    SELECT has_table_privilege('attempt', 'UPDATE') OR has_table_privilege('attempt', 'DELETE')
"""
