"""How a revision gives an index to a ledger that is being written, a day at a time."""

from __future__ import annotations

from engine.database.migrations import session

_DAYS_WITHOUT = """
    SELECT day.relname, half_built.relname
    FROM pg_inherits part
    JOIN pg_class day ON day.oid = part.inhrelid
    LEFT JOIN pg_class half_built
        ON half_built.relname = day.relname || %(ending)s
        AND half_built.relnamespace = day.relnamespace
        AND EXISTS (
            SELECT FROM pg_index i WHERE i.indexrelid = half_built.oid AND NOT i.indisvalid
        )
    WHERE part.inhparent = 'attempt'::regclass
        AND NOT EXISTS (
            SELECT
            FROM pg_inherits attached
            JOIN pg_index i ON i.indexrelid = attached.inhrelid
            WHERE attached.inhparent = to_regclass(%(name)s) AND i.indrelid = day.oid
        )
    ORDER BY day.relname
"""


def give_days_their_index(run: session.Run, name: str, ending: str, definition: str) -> None:
    """Builds an index of the ledger without a lock that saves would wait for.

    It can be repeated: days that have it are left alone, and one that was half built is begun anew.

    Args:
        run: of `short_transactions`.
        name: of the index.
        ending: of the names of the days' own, as PostgreSQL makes them.
        definition: what stands behind the table's name.
    """
    run(f"CREATE INDEX IF NOT EXISTS {name} ON ONLY attempt {definition}")
    for day, half_built in run(_DAYS_WITHOUT, {"name": name, "ending": ending}).fetchall():
        if half_built:
            session.run_alone(f"DROP INDEX CONCURRENTLY public.{half_built}")
        session.run_alone(
            f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {day}{ending} ON public.{day} {definition}"
        )
        run(f"ALTER INDEX {name} ATTACH PARTITION {day}{ending}")
