"""The database, as the application meets it: reachable, of our time, and append-only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final, NamedTuple

from engine.readiness.assessment import Verdict
from engine.readiness.probes.asking import SHOWN, rows
from engine.readiness.probes.probe import Found, Question, failing, insufficient, passing
from engine.readiness.probes.spans import Span, of_phase
from engine.readiness.records import RecordKind

_OLDEST: Final = 150_000
# A day's partition and a deadline are told by the engine's clock, seals by the database's too.
_SKEW_MAX: Final = timedelta(seconds=1)
# Evidence: the application adds to it, and changes and removes nothing.
APPEND_ONLY: Final = (
    "attempt",
    "audit_event",
    "quote_revision",
    "readiness_record",
    "readiness_seal",
    "readiness_sealed",
)
_SESSION: Final = """
    SELECT clock_timestamp(), current_user, current_setting('server_version_num')::integer,
        coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false),
        coalesce(inet_client_addr() <<= '127.0.0.0/8' OR inet_client_addr() = '::1', true)
"""
# Partitions are tables of their own, which somebody may have been let into past the ledger.
_PRIVILEGES: Final = """
    SELECT c.relname, c.relname = ANY(%(tables)s),
        has_table_privilege(c.oid, 'INSERT'),
        has_any_column_privilege(c.oid, 'UPDATE'),
        has_table_privilege(c.oid, 'DELETE'),
        has_table_privilege(c.oid, 'TRUNCATE')
    FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace
        AND (
            c.relname = ANY(%(tables)s)
            OR EXISTS (
                SELECT FROM pg_inherits i
                WHERE i.inhrelid = c.oid AND i.inhparent = 'attempt'::regclass
            )
        )
    ORDER BY c.relname
"""
# Of each minute one look counts, however often somebody looked; a bad one among them counts.
_LOOKS: Final = """
    SELECT verdict, count(*)
    FROM (
        SELECT DISTINCT ON (date_trunc('minute', recorded_at))
            body::jsonb ->> 'verdict' AS verdict
        FROM readiness_record
        WHERE release_id = %(release_id)s AND kind = %(kind)s AND item_id = %(item_id)s
            AND recorded_at >= %(start)s AND recorded_at < %(end)s
        ORDER BY date_trunc('minute', recorded_at),
            (body::jsonb ->> 'verdict' = 'passing'), recorded_at
    ) AS by_minute
    GROUP BY verdict
"""
_MINUTE: Final = timedelta(minutes=1)


class Meeting(NamedTuple):
    """What was seen of the database in one look.

    Attributes:
        role: as which we are there.
        version: of the server, as its number.
        is_private: whether nobody can listen: TLS, or never outside of this machine.
        round_trip: how long a question took.
        skew: how far the server's clock is before ours, by the middle of the question.
        may: table → what the application may do to it and must not, or must and may not.
        tables: that were looked at.
    """

    role: str
    version: int
    is_private: bool
    round_trip: timedelta
    skew: timedelta
    may: tuple[str, ...]
    tables: int


def connection(question: Question) -> Found:
    """`db.probe`: the application gets in, as who it should be, to a server of its own time."""
    found = judged(_met(question)) if question.phase.window is None else of_phase(question)
    if isinstance(found, Found):
        return found
    return kept(judged(_met(question)), _looks(question, found), found)


def kept(found: Found, looks: Mapping[str, int], span: Span) -> Found:
    """What a look comes to beside those before it: each minute of the phase has to have a good one.

    Args:
        found: of this look.
        looks: verdict → how many looks of the phase's time came to it.
        span: that time.
    """
    minutes = int((span.due_at - span.start) / _MINUTE)
    count, good = sum(looks.values()), looks.get(Verdict.PASSING.value, 0)
    numbers = {**found.numbers, **span.numbers, "looks": count, "goodLooks": good}
    if found.verdict is not Verdict.PASSING:
        return replace(found, numbers=numbers)
    if good < count:
        reason = f"{count - good} of {count} looks in its time were not good"
        return failing(reason, found.witness, **numbers)
    if span.is_over and count < minutes:
        reason = f"{count} of {minutes} looks were made in its time, all good"
        return insufficient(reason, found.witness, **numbers)
    return replace(
        found, numbers=numbers, reason=f"{found.reason}; {count} looks before{span.so_far}"
    )


def _looks(question: Question, span: Span) -> dict[str, int]:
    values = {
        "release_id": question.release.id,
        "item_id": question.item.id,
        "kind": RecordKind.EVIDENCE.value,
        "start": span.start,
        "end": span.end,
    }
    return dict(rows(question, _LOOKS, values))


def judged(met: Meeting) -> Found:
    """What a look at the database comes to."""
    numbers: dict[str, Any] = {
        "role": met.role,
        "serverVersion": met.version,
        "isPrivate": met.is_private,
        "roundTripMs": round(met.round_trip / timedelta(milliseconds=1), 3),
        "clockSkewMs": round(met.skew / timedelta(milliseconds=1), 3),
        "tables": met.tables,
        "privileges": list(met.may[:SHOWN]),
    }
    # By half a round trip the middle may be off.
    off = abs(met.skew) - met.round_trip / 2
    if met.version < _OLDEST:
        reason = f"The server is of release {met.version // 10_000}; 15 is the oldest that will do"
        return failing(reason, _SESSION, **numbers)
    if not met.is_private:
        return failing("The line leaves this machine without TLS", _SESSION, **numbers)
    if off >= _SKEW_MAX:
        seconds = abs(met.skew).total_seconds()
        reason = f"The server's clock and ours are {seconds:.1f} s apart"
        return failing(reason, _SESSION, **numbers)
    if met.may:
        reason = f"The application's privileges are wrong: {met.may[0]}"
        return failing(reason, _PRIVILEGES, **numbers)
    milliseconds = abs(met.skew) / timedelta(milliseconds=1)
    return passing(
        f"Answered, clocks {milliseconds:.0f} ms apart, {met.tables} tables of evidence that the"
        " application can only add to",
        f"{_SESSION}; {_PRIVILEGES}",
        **numbers,
    )


def _met(question: Question) -> Meeting:
    clock = question.runtime.clock
    with question.runtime.read_pool.connection() as opened:
        opened.execute("SELECT 1")
        before, asked = clock.monotonic(), clock.now()
        [(told, role, version, has_tls, is_local)] = opened.execute(_SESSION).fetchall()
        round_trip = timedelta(seconds=clock.monotonic() - before)
        tables = opened.execute(_PRIVILEGES, {"tables": list(APPEND_ONLY)}).fetchall()
    missing = set(APPEND_ONLY) - {name for name, *_ in tables}
    return Meeting(
        role=role,
        version=version,
        is_private=has_tls or is_local,
        round_trip=round_trip,
        skew=told - (asked + round_trip / 2),
        may=tuple(
            fault
            for name, is_whole, *privileges in tables
            for fault in _faults(name, privileges, is_whole=is_whole)
        )
        + tuple(f"{name} is not there" for name in sorted(missing)),
        tables=len(tables),
    )


def _faults(name: str, privileges: list[bool], *, is_whole: bool) -> list[str]:
    may_insert, *may = privileges
    faults = [
        f"may {what} {name}"
        for what, is_allowed in zip(("UPDATE", "DELETE", "TRUNCATE"), may, strict=True)
        if is_allowed
    ]
    if is_whole and not may_insert:
        faults.append(f"may not INSERT into {name}")
    return faults
