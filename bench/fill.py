"""Fills a ledger with attempts that look like those of ninety days, and builds their rollups.

    python -m bench.fill --rows 100000000 --directory DIR [--days 90]

Rows are made by the server, a day at a time, and indexed when the day is complete. Traffic follows
the day and the week, agents are used unevenly, durations have a heavy tail with a second heap of
timeouts, 2 % of the attempts end with a code. A directory that was filled before is used as it is.
"""

from __future__ import annotations

import argparse
import json
from datetime import UTC, date, datetime, timedelta
from math import cos, pi
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from engine.attempts.partitions import day_start, ensure_partitions, partition_name
from engine.clock import SystemClock
from engine.database.cluster import Cluster
from engine.database.migrate import migrate_up
from engine.database.target import APP_ROLE, OWNER_ROLE, Target, bootstrap
from engine.rollups.grid import Window
from engine.rollups.roller import rebuild
from engine.slo.objectives import LIMITS

DATABASE: Final = "ledger"
# The origin of every row that is made here; what else is in the ledger was put there by a bench.
FILLED: Final = -1
# A server with some memory of its own; the embedded default is for a laptop.
SERVER: Final = {
    "shared_buffers": "2GB",
    "max_wal_size": "8GB",
    "maintenance_work_mem": "1GB",
    "effective_cache_size": "12GB",
    "max_parallel_maintenance_workers": "2",
}

_ROWS: Final = """
    INSERT INTO {table} (
        agent_id, started_at, id, quote_id, origin_id, duration_us, database_us, expected_version,
        actual_version, operation, outcome, error_code, severity, http_status, retries, path,
        source, retryable, correlation_id, payload_hash, changed_fields
    )
    SELECT
        -- The busiest of 300 agents has a quarter of the traffic, as in real booking data.
        (
            '01900000-0000-7000-8000-'
            || lpad(to_hex(floor(300 * power(r.agent, 4))::int), 12, '0')
        )::uuid,
        r.started_at,
        uuidv7(r.started_at - clock_timestamp()),
        ('01910000-0000-7000-8000-' || lpad(to_hex(floor(r.quote * 4000000)::int), 12, '0'))::uuid,
        {origin},
        r.duration_us,
        r.duration_us * 7 / 10,
        CASE WHEN r.operation > 1 THEN 1 + floor(r.quote * 7)::int END,
        CASE WHEN r.failed IS NULL THEN 2 + floor(r.quote * 7)::int END,
        r.operation,
        CASE
            WHEN r.failed IS NULL THEN 1
            WHEN r.failed = 3 THEN 4
            WHEN r.failed IN (5, 6, 7, 18) THEN 5
            ELSE 3
        END,
        r.failed,
        CASE WHEN r.failed IN (4, 5, 7, 15, 18) THEN 4 WHEN r.failed IS NOT NULL THEN 3 END,
        CASE WHEN r.failed IS NULL THEN 200 WHEN r.failed = 6 THEN 504 ELSE 409 END,
        CASE WHEN r.retry < 0.001 THEN 1 ELSE 0 END,
        1,
        CASE WHEN r.source < 0.01 THEN 2 ELSE 1 END,
        r.failed IN (3, 5, 6, 7),
        'REQ-' || upper(
            lpad(to_hex((extract(epoch FROM r.started_at) * 1000)::bigint), 11, '0')
            || left(md5(r.quote::text || r.retry::text), 16)
        ),
        sha256(int8send((r.quote * 1e15)::bigint)),
        CASE WHEN r.operation = 2 THEN 'trip_name,flights' END
    FROM (
        SELECT
            started_at, random() AS agent, random() AS quote, random() AS retry,
            random() AS source,
            CASE WHEN kind < 0.18 THEN 1 WHEN kind < 0.9 THEN 2 WHEN kind < 0.92 THEN 3
                WHEN kind < 0.96 THEN 4 WHEN kind < 0.98 THEN 5 WHEN kind < 0.99 THEN 6 ELSE 7
            END AS operation,
            CASE
                WHEN fate > 0.02 THEN NULL
                WHEN fate > 0.008 THEN 1 WHEN fate > 0.004 THEN 3 WHEN fate > 0.003 THEN 12
                WHEN fate > 0.002 THEN 2 WHEN fate > 0.001 THEN 13 WHEN fate > 0.0006 THEN 4
                WHEN fate > 0.0004 THEN 10 WHEN fate > 0.0002 THEN 5 WHEN fate > 0.0001 THEN 6
                WHEN fate > 0.00005 THEN 7 ELSE 18
            END AS failed,
            CASE
                WHEN slow < 0.0004 THEN 2000000 + floor(random() * 8000000)::int
                ELSE 400 + floor(
                    1200 * exp(0.7 * sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random()))
                )::int
            END AS duration_us
        FROM (
            SELECT
                {start}::timestamptz + (n + random()) * {step}::interval AS started_at,
                random() AS kind, random() AS fate, random() AS slow
            FROM generate_series(0, {rows} - 1) AS n
        ) AS drawn
    ) AS r
"""


def main() -> None:
    """Fills what the arguments name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--directory", type=Path, required=True)
    asked = parser.parse_args()
    cluster = Cluster(asked.directory, settings=SERVER)
    cluster.start()
    try:
        fill(cluster, asked.rows, asked.days)
    finally:
        cluster.stop()


def target_of(cluster: Cluster) -> Target:
    """The ledger's database on a server."""
    superuser = cluster.conninfo("postgres")
    return Target(
        app=make_conninfo(superuser, dbname=DATABASE, user=APP_ROLE),
        owner=make_conninfo(superuser, dbname=DATABASE, user=OWNER_ROLE),
        cluster=cluster,
    )


def fill(cluster: Cluster, rows: int, days: int) -> dict[str, Any]:
    """Fills the ledger, unless it is filled; says how long that took."""
    clock = SystemClock()
    bootstrap(cluster.conninfo("postgres"), DATABASE)
    target = target_of(cluster)
    migrate_up(target.owner, clock)
    spent: dict[str, Any] = {"rows": rows, "days": days}
    with psycopg.connect(target.owner, autocommit=True) as owner:
        if (done := _filled(owner)) is not None:
            return done
        owner.execute("INSERT INTO origin VALUES (%s, 'bench', '1', 'fill', now(), true)", [FILLED])
        now = clock.now()
        began = clock.monotonic()
        _fill_days(owner, now, rows, days)
        ensure_partitions(owner, now)
        spent["fill_s"] = clock.monotonic() - began
        began = clock.monotonic()
        owner.execute("VACUUM (FREEZE, ANALYZE) attempt")
        spent["vacuum_s"] = clock.monotonic() - began
        with psycopg.connect(target.app, autocommit=True) as app:
            began = clock.monotonic()
            rebuild(app, clock, LIMITS)
            spent["rollup_s"] = clock.monotonic() - began
            app.execute("ANALYZE attempt_rollup")
        owner.execute("VACUUM ANALYZE attempt_rollup")
        owner.execute("CREATE TABLE bench_filled (facts jsonb)")
        owner.execute("INSERT INTO bench_filled VALUES (%s)", [json.dumps(spent)])
        owner.execute(f"GRANT SELECT ON bench_filled TO {APP_ROLE}")
    return spent


def _filled(owner: psycopg.Connection[Any]) -> dict[str, Any] | None:
    row = owner.execute("SELECT to_regclass('bench_filled')").fetchone()
    if row is None or row[0] is None:
        return None
    found = owner.execute("SELECT facts FROM bench_filled").fetchone()
    facts: dict[str, Any] = {} if found is None else found[0]
    return facts


def _fill_days(owner: psycopg.Connection[Any], now: datetime, rows: int, days: int) -> None:
    today = now.astimezone(UTC).date()
    dates = [today - timedelta(days=back) for back in range(days - 1, -1, -1)]
    shares = [_weight(day, now) for day in dates]
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f} %"),
        TimeRemainingColumn(),
    ) as progress:  # fmt: skip
        task = progress.add_task(f"{rows:,} attempts", total=rows)
        for day, share in zip(dates, shares, strict=True):
            count = max(round(rows * share / sum(shares)), 1)
            _fill_day(owner, day, count, min(now, day_start(day) + timedelta(days=1)))
            progress.advance(task, count)


def _weight(day: date, now: datetime) -> float:
    """Weekends are quieter; today is not over."""
    weekly = 1 + 0.4 * cos(2 * pi * day.weekday() / 7)
    begun = min((now - day_start(day)) / timedelta(days=1), 1.0)
    return weekly * begun


def _fill_day(owner: psycopg.Connection[Any], day: date, rows: int, end: datetime) -> None:
    table = sql.Identifier(partition_name(day))
    start = day_start(day)
    with owner.transaction():
        owner.execute("SET LOCAL synchronous_commit = off")
        owner.execute(
            sql.SQL(
                "CREATE TABLE {} (LIKE attempt INCLUDING DEFAULTS INCLUDING CONSTRAINTS)"
            ).format(table)
        )
        insert_attempts(owner, table, FILLED, Window(start, end), rows)
        # Attaching makes what indexes are missing.
        owner.execute(
            sql.SQL("ALTER TABLE attempt ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})").format(
                table, sql.Literal(start), sql.Literal(start + timedelta(days=1))
            )
        )


def insert_attempts(
    connection: psycopg.Connection[Any],
    table: sql.Composable,
    origin: int,
    span: Window,
    rows: int,
) -> None:
    """Makes attempts that are spread evenly over a span of time.

    Args:
        connection: of a role that may.
        table: the ledger or a part of it.
        origin: of the attempts.
        span: in which they started.
        rows: how many.
    """
    connection.execute(
        sql.SQL(_ROWS).format(
            table=table,
            origin=sql.Literal(origin),
            start=sql.Literal(span.start),
            step=sql.Literal(span.length // rows),
            rows=sql.Literal(rows),
        )
    )


if __name__ == "__main__":
    main()
