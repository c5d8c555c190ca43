"""Filled ledgers of several sizes, each on a server of its own, open at the same time.

All of them are asked in turn, so that a machine that gets slower meanwhile slows all of them. A
ledger is filled when it is not there yet, see `bench.fill`, and left as it was found.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg.conninfo import make_conninfo

from bench.database_time import SETTINGS, DatabaseTime
from bench.fill import DATABASE, FILLED, SERVER, fill, target_of
from engine.attempts.partitions import ensure_partitions
from engine.clock import Clock, SystemClock
from engine.database.cluster import Cluster
from engine.database.pool import Pool
from engine.database.target import Target
from engine.settings import Settings

DAYS: Final = 90


@dataclass(frozen=True, slots=True)
class Ledger:
    """A filled ledger and what is needed to measure it.

    Attributes:
        rows: its size.
        root: directory of its server.
        cluster: its server.
        target: its database.
        superuser: in autocommit, for what the application may not do.
        pool: one connection, set up as that of a page.
        time: what the server spends.
        newest: the instant of its newest attempt; the present, as far as the bench is concerned.
    """

    rows: int
    root: Path
    cluster: Cluster
    target: Target
    superuser: psycopg.Connection[Any]
    pool: Pool
    time: DatabaseTime
    newest: datetime

    @property
    def name(self) -> str:
        """Its size in words."""
        return size_name(self.rows)


def size_name(rows: int) -> str:
    """A number of attempts in words that fit a directory's name: 1m, 250k."""
    for unit, one in (("m", 1_000_000), ("k", 1_000)):
        if rows >= one and rows % one == 0:
            return f"{rows // one}{unit}"
    return str(rows)


@contextmanager
def open_ledger(directory: Path, rows: int, server: Mapping[str, str] = SERVER) -> Iterator[Ledger]:
    """Starts the server of one size, fills it if need be, and opens it.

    Args:
        directory: has a directory of that size's name, or will have.
        rows: the size.
        server: settings of the server.
    """
    clock = SystemClock()
    root = directory / size_name(rows)
    cluster = Cluster(root, settings={**server, **SETTINGS})
    cluster.start()
    try:
        fill(cluster, rows, DAYS)
        target = target_of(cluster)
        with psycopg.connect(target.owner, autocommit=True) as owner:
            ensure_partitions(owner, clock.now())
        superuser_info = make_conninfo(cluster.conninfo("postgres"), dbname=DATABASE)
        with (
            psycopg.connect(superuser_info, autocommit=True) as superuser,
            _opened_pool(target, clock) as pool,
        ):
            _restore(superuser)
            yield Ledger(
                rows, root, cluster, target, superuser, pool, DatabaseTime(superuser),
                _newest(superuser),
            )  # fmt: skip
    finally:
        cluster.stop()


@contextmanager
def _opened_pool(target: Target, clock: Clock) -> Iterator[Pool]:
    # Nothing here is to be cut short: how long it takes is what we want to know.
    patient = timedelta(minutes=10)
    settings = Settings(save_budget=patient, statement_timeout=patient)
    pool = Pool(target, settings, clock, size=1)
    pool.open()
    try:
        yield pool
    finally:
        pool.close()


@contextmanager
def left_as_found(ledger: Ledger) -> Iterator[None]:
    """Takes out again what a block puts into the ledger, and out of its rollups.

    What was rolled of the last day is set aside before. A bench that is killed leaves that for the
    next one to put back.
    """
    _keep(ledger.superuser, ledger.newest)
    try:
        yield
    finally:
        _restore(ledger.superuser)


def _keep(superuser: psycopg.Connection[Any], newest: datetime) -> None:
    day = newest.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    with superuser.transaction():
        superuser.execute(
            "CREATE TABLE bench_kept_rollup AS SELECT * FROM attempt_rollup WHERE bucket >= %s",
            [day],
        )
        superuser.execute(
            "CREATE TABLE bench_kept_state AS SELECT rolled, runs, %s::timestamptz AS since"
            " FROM rollup_state",
            [day],
        )


def _restore(superuser: psycopg.Connection[Any]) -> None:
    """Puts back what was set aside; does nothing if nothing was."""
    kept = superuser.execute("SELECT to_regclass('bench_kept_state')").fetchone()
    if kept is None or kept[0] is None:
        return
    with superuser.transaction():
        row = superuser.execute("SELECT since FROM bench_kept_state").fetchone()
        if row is None:
            raise psycopg.InternalError("nothing says what was set aside")
        (since,) = row
        superuser.execute(
            "DELETE FROM attempt WHERE started_at >= %s AND origin_id <> %s", [since, FILLED]
        )
        superuser.execute("DELETE FROM attempt_rollup WHERE bucket >= %s", [since])
        superuser.execute("INSERT INTO attempt_rollup SELECT * FROM bench_kept_rollup")
        superuser.execute(
            """
            UPDATE rollup_state
            SET rolled = kept.rolled, runs = kept.runs,
                snapshot = txid_current_snapshot()::text
            FROM bench_kept_state AS kept
            """
        )
        superuser.execute("TRUNCATE quote CASCADE")
        superuser.execute("DROP TABLE bench_kept_rollup, bench_kept_state")
    superuser.execute("VACUUM ANALYZE attempt_rollup")
    for (name,) in superuser.execute(_DAYS_SINCE, [f"attempt_{since:%Y%m%d}"]).fetchall():
        superuser.execute(f"VACUUM {name}")


_DAYS_SINCE: Final = """
    SELECT inhrelid::regclass::text
    FROM pg_inherits
    WHERE inhparent = 'attempt'::regclass AND inhrelid::regclass::text >= %s
        AND inhrelid::regclass::text <> 'attempt_default'
"""


def _newest(superuser: psycopg.Connection[Any]) -> datetime:
    """The newest attempt's instant: the ledger knows its days, so the last ones are enough."""
    row = superuser.execute(
        "SELECT max(started_at) FROM attempt"
        " WHERE started_at >= (SELECT max(bucket) FROM attempt_rollup)"
    ).fetchone()
    if row is None or row[0] is None:
        raise psycopg.InternalError("the ledger is empty")
    newest: datetime = row[0].astimezone(UTC)
    return newest
