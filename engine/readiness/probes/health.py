"""The database's health while it works: what waits, what is left lying, what is read from disk."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from engine.readiness.probes.asking import looked, rows
from engine.readiness.probes.probe import Found, Question, failing, insufficient, passing
from engine.readiness.probes.spans import of_phase
from engine.rollups.selection import Filter

# Pages of our tables that were asked for, before the share that was in memory says anything.
_ENOUGH_PAGES: Final = 10_000
_IN_MEMORY: Final = 0.95
# Rows of a table, before its dead ones are of interest; vacuum comes at a fifth of them.
_ENOUGH_ROWS: Final = 10_000
_DEAD: Final = 0.4
# Of a save; the objective for all of it is 500 ms.
_MEAN_US: Final = 250_000
_STATE: Final = """
    SELECT
        (
            SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'
                AND clock_timestamp() - query_start > interval '100 ms'
        ),
        (
            SELECT coalesce(sum(deadlocks), 0)::bigint FROM pg_stat_database
            WHERE datname = current_database()
        ),
        (SELECT coalesce(sum(heap_blks_hit), 0)::bigint FROM pg_statio_user_tables),
        (SELECT coalesce(sum(heap_blks_read), 0)::bigint FROM pg_statio_user_tables)
"""
_DEAD_ROWS: Final = """
    SELECT relid::regclass::text, n_live_tup, n_dead_tup
    FROM pg_stat_user_tables
    WHERE n_live_tup + n_dead_tup >= %s
    ORDER BY n_dead_tup::float / (n_live_tup + n_dead_tup) DESC
    LIMIT 1
"""


class Health(NamedTuple):
    """What the server says of itself.

    Attributes:
        lock_waits: sessions that wait for a lock, and not only for a moment.
        deadlocks: since its statistics began; the engine tries such a save again.
        pages_hit: of tables, that were in memory.
        pages_read: that were not.
        worst_table: the large table with the most dead rows; empty without a large one.
        dead_share: of its rows.
        attempts: live ones in the time that is looked at.
        mean_us: that the database took for one of them.
    """

    lock_waits: int
    deadlocks: int
    pages_hit: int
    pages_read: int
    worst_table: str
    dead_share: float
    attempts: int
    mean_us: int


def health(question: Question) -> Found:
    """`db.health`: nobody waits for a lock, tables are tidy and in memory, saves are quick."""
    span = of_phase(question)
    if isinstance(span, Found):
        return span
    with looked(question) as (_, look):
        [counts] = look.counts([span.on_grid(question.runtime.clock.now())], Filter())
    [(waits, deadlocks, hit, read)] = rows(question, _STATE)
    worst = rows(question, _DEAD_ROWS, [_ENOUGH_ROWS])
    table, live, dead = worst[0] if worst else ("", 1, 0)
    found = judged(
        Health(
            lock_waits=waits,
            deadlocks=deadlocks,
            pages_hit=hit,
            pages_read=read,
            worst_table=table,
            dead_share=dead / (live + dead),
            attempts=counts.attempts,
            mean_us=counts.database_us // max(counts.attempts, 1),
        )
    )
    return span.settled(found)


def judged(health: Health) -> Found:
    """What it comes to; how another environment is doing nobody here can tell."""
    numbers: dict[str, Any] = {
        "lockWaits": health.lock_waits,
        "deadlocks": health.deadlocks,
        "pagesHit": health.pages_hit,
        "pagesRead": health.pages_read,
        "worstTable": health.worst_table,
        "deadShare": round(health.dead_share, 4),
        "attempts": health.attempts,
        "meanUs": health.mean_us,
        "besideStaging": None,
    }
    pages = health.pages_hit + health.pages_read
    share = health.pages_hit / pages if pages else 1.0
    faults = (
        (health.lock_waits > 0, f"{health.lock_waits} sessions wait for a lock"),
        (health.dead_share > _DEAD,
         f"{health.dead_share:.0%} of the rows of {health.worst_table} are dead"),
        (pages >= _ENOUGH_PAGES and share < _IN_MEMORY,
         f"{share:.0%} of {pages} pages were in memory"),
        (health.mean_us > _MEAN_US,
         f"The database takes {health.mean_us / 1000:.0f} ms for a save in the mean"),
    )  # fmt: skip
    for is_wrong, reason in faults:
        if is_wrong:
            return failing(reason, _STATE, **numbers)
    if not health.attempts:
        return insufficient("No live attempt to be quick or slow with", _STATE, **numbers)
    return passing(
        f"0 waits for locks, {share:.0%} of pages in memory,"
        f" {health.mean_us / 1000:.1f} ms for each of {health.attempts} saves in the mean;"
        " staging is not looked at",
        f"{_STATE}; {_DEAD_ROWS}",
        **numbers,
    )
