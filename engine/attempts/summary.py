"""The last minutes of the ledger in one consistent look: counts, percentiles, buckets, newest.

Everything is exact and comes straight from the raw rows: nearest-rank percentiles of every counted
attempt. That is affordable for minutes, not for days; whoever replaces it by rollups keeps `read`.

An attempt counts when it is live traffic of a known agent, or a failure of ours, whoever made it:
in an outage we often fail before the agent is known. Live attempts that were refused before an
agent was known are kept apart, and those of other sources are only told by their number.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec
import psycopg

from engine.attempts.outcome import UNKNOWN_AGENT, Outcome, Source
from engine.quotes.lifecycle import Operation

BUCKET: Final = timedelta(seconds=10)
_NEWEST: Final = 20
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_SUCCEEDED: Final = frozenset({Outcome.COMMITTED, Outcome.REPLAYED})
# A row that stays indeterminate is one that nobody could resolve; it counts against us.
_OURS: Final = frozenset({Outcome.FAILED, Outcome.INDETERMINATE})


class Tally(msgspec.Struct, frozen=True):
    """How many live attempts ended alike.

    Attributes:
        operation: what was attempted.
        outcome: how it ended.
        error_code: why; None for a success.
        is_counted: False if it was refused before an agent was known.
        count: how many.
    """

    operation: Operation
    outcome: Outcome
    error_code: int | None
    is_counted: bool
    count: int


class Percentiles(msgspec.Struct, frozen=True):
    """Nearest-rank percentiles of durations, in microseconds."""

    p50_us: int
    p95_us: int
    p99_us: int


class Bucket(msgspec.Struct, frozen=True):
    """The counted attempts that started within ten seconds.

    Attributes:
        started_at: its first instant, a multiple of its length.
        attempts: how many; none is a number, not a gap in what is known.
        percentiles: None without attempts.
        is_complete: False for the newest one while its ten seconds are not over.
    """

    started_at: datetime
    attempts: int
    percentiles: Percentiles | None
    is_complete: bool


class Limits(NamedTuple):
    """Durations that the percentiles should stay below, in microseconds."""

    p95_us: int = 500_000
    p99_us: int = 1_000_000


class RecentAttempt(msgspec.Struct, frozen=True):
    """A live attempt as the table of the newest shows it."""

    started_at: datetime
    correlation_id: str
    operation: Operation
    outcome: Outcome
    error_code: int | None
    duration_us: int
    retries: int
    quote_id: UUID | None
    is_agent_known: bool


class ErrorCount(msgspec.Struct, frozen=True):
    """How many attempts ended with a code, and whether that is ours or the caller's doing."""

    error_code: int
    is_ours: bool
    count: int


class Slower(msgspec.Struct, frozen=True):
    """How many attempts reached the limits of the percentiles."""

    p95: int
    p99: int


class Summary(msgspec.Struct, frozen=True):
    """What is known of a window.

    Attributes:
        start: first instant of the window.
        end: the instant after it, so how fresh it is.
        operation: the only one looked at, or None for all.
        tallies: counts of live attempts, those that are in no rate included.
        other_sources: attempts that are not live traffic; they count nowhere else.
        percentiles: of the counted attempts' durations; None without any.
        slower: counted attempts that took as long as the limit of each percentile, or longer.
        buckets: oldest first, without gaps; one cut by the window's start is left out.
        newest: live attempts, newest first.
        is_ledger_empty: whether there is no attempt at all, not only none in the window.
    """

    start: datetime
    end: datetime
    operation: Operation | None
    tallies: tuple[Tally, ...]
    other_sources: int
    percentiles: Percentiles | None
    slower: Slower
    buckets: tuple[Bucket, ...]
    newest: tuple[RecentAttempt, ...]
    is_ledger_empty: bool

    @property
    def window(self) -> timedelta:
        """How long it looked back."""
        return self.end - self.start

    @property
    def attempts(self) -> int:
        """Counted attempts: the denominator of every rate."""
        return sum(tally.count for tally in self._counted())

    @property
    def unsuccessful(self) -> int:
        """Counted attempts that were neither committed nor replayed."""
        return self.attempts - self._ended_as(_SUCCEEDED)

    @property
    def service_failures(self) -> int:
        """Counted attempts that failed through no fault of the caller."""
        return self._ended_as(_OURS)

    @property
    def success_rate(self) -> float | None:
        """(committed + replayed) / all, as the checklist counts it; None without attempts."""
        return _rate_without(self.unsuccessful, self.attempts)

    @property
    def service_success_rate(self) -> float | None:
        """1 - (failed + indeterminate) / all; None without attempts."""
        return _rate_without(self.service_failures, self.attempts)

    @property
    def errors(self) -> tuple[ErrorCount, ...]:
        """Codes of counted attempts, most frequent first."""
        return _errors(self._counted())

    @property
    def errors_before_agent(self) -> tuple[ErrorCount, ...]:
        """Codes of attempts that were refused before an agent was known, most frequent first."""
        return _errors([tally for tally in self.tallies if not tally.is_counted])

    def _counted(self) -> list[Tally]:
        return [tally for tally in self.tallies if tally.is_counted]

    def _ended_as(self, outcomes: frozenset[Outcome]) -> int:
        return sum(tally.count for tally in self._counted() if tally.outcome in outcomes)


class _Totals(msgspec.Struct):
    percentiles: tuple[int, int, int] | None
    slower: Slower
    other_sources: int


class _BucketRow(msgspec.Struct):
    started_at: datetime
    attempts: int
    percentiles: tuple[int, int, int]


_decode_totals: Final = msgspec.json.Decoder(_Totals).decode
_decode_tallies: Final = msgspec.json.Decoder(tuple[Tally, ...]).decode
_decode_buckets: Final = msgspec.json.Decoder(tuple[_BucketRow, ...]).decode
_decode_newest: Final = msgspec.json.Decoder(tuple[RecentAttempt, ...]).decode

# One statement, so one snapshot. The bounds of the window are compared with the bare column: that
# is what lets the planner drop every other day's partition.
SUMMARY_SQL: Final = """
    -- The overview: each attempt of the window is read once and counted in four ways.
    WITH windowed AS MATERIALIZED (
        SELECT
            started_at,
            duration_us,
            operation,
            outcome,
            error_code,
            agent_id <> %(unknown_agent)s OR outcome = ANY(%(ours)s) AS is_counted,
            source = %(live)s AS is_live
        FROM attempt
        WHERE started_at >= %(start)s
            AND started_at < %(end)s
            AND (%(operation)s::smallint IS NULL OR operation = %(operation)s)
    ),
    counted AS NOT MATERIALIZED (
        SELECT *
        FROM windowed
        WHERE is_live AND is_counted
    )
    SELECT
        (
            SELECT json_build_object(
                'percentiles',
                percentile_disc(ARRAY[0.50, 0.95, 0.99]) WITHIN GROUP (ORDER BY duration_us),
                'slower',
                json_build_object(
                    'p95', count(*) FILTER (WHERE duration_us >= %(p95_us)s),
                    'p99', count(*) FILTER (WHERE duration_us >= %(p99_us)s)
                ),
                'other_sources',
                (SELECT count(*) FROM windowed WHERE NOT is_live)
            )::text
            FROM counted
        ),
        (
            SELECT coalesce(json_agg(tally), '[]')::text
            FROM (
                SELECT operation, outcome, error_code, is_counted, count(*) AS count
                FROM windowed
                WHERE is_live
                GROUP BY operation, outcome, error_code, is_counted
            ) AS tally
        ),
        (
            SELECT coalesce(json_agg(bucket), '[]')::text
            FROM (
                SELECT
                    date_bin(%(bucket)s, started_at, TIMESTAMPTZ 'epoch') AS started_at,
                    count(*) AS attempts,
                    percentile_disc(ARRAY[0.50, 0.95, 0.99]) WITHIN GROUP (ORDER BY duration_us)
                        AS percentiles
                FROM counted
                GROUP BY date_bin(%(bucket)s, started_at, TIMESTAMPTZ 'epoch')
            ) AS bucket
        ),
        (
            SELECT coalesce(json_agg(recent), '[]')::text
            FROM (
                SELECT
                    started_at,
                    correlation_id,
                    operation,
                    outcome,
                    error_code,
                    duration_us,
                    retries,
                    quote_id,
                    agent_id <> %(unknown_agent)s AS is_agent_known
                FROM attempt
                WHERE started_at >= %(start)s
                    AND started_at < %(end)s
                    AND (%(operation)s::smallint IS NULL OR operation = %(operation)s)
                    AND source = %(live)s
                ORDER BY started_at DESC, id DESC
                LIMIT %(newest)s
            ) AS recent
        )
"""

ANY_ATTEMPT_SQL: Final = "SELECT 1 FROM attempt LIMIT 1"


def read(
    connection: psycopg.Connection[Any],
    *,
    end: datetime,
    window: timedelta,
    limits: Limits,
    operation: Operation | None = None,
) -> Summary:
    """Reads the window that ends now.

    Args:
        connection: in autocommit.
        end: usually the present instant; attempts that started then or later are not in it.
        window: how far it goes back.
        limits: durations from which on attempts are counted as too slow.
        operation: the only one to look at; all unless given.

    Raises:
        psycopg.Error: the database could not be asked.
    """
    row = connection.execute(SUMMARY_SQL, parameters(end, window, limits, operation)).fetchone()
    if row is None:
        raise psycopg.InternalError("a query that always returns a row returned none")
    totals, tallies, buckets, newest = row
    found = _decode_totals(totals)
    counts = _decode_tallies(tallies)
    return Summary(
        start=end - window,
        end=end,
        operation=operation,
        tallies=counts,
        other_sources=found.other_sources,
        percentiles=None if found.percentiles is None else Percentiles(*found.percentiles),
        slower=found.slower,
        buckets=_without_gaps(_decode_buckets(buckets), end - window, end),
        newest=_decode_newest(newest),
        is_ledger_empty=not counts and not found.other_sources and _is_ledger_empty(connection),
    )


def _is_ledger_empty(connection: psycopg.Connection[Any]) -> bool:
    """Whether there is no attempt at all; stops at the first row, whichever day that is of."""
    return connection.execute(ANY_ATTEMPT_SQL).fetchone() is None


def parameters(
    end: datetime, window: timedelta, limits: Limits, operation: Operation | None
) -> dict[str, Any]:
    """What `SUMMARY_SQL` is run with."""
    return {
        "start": end - window,
        "end": end,
        "operation": None if operation is None else operation.value,
        "unknown_agent": UNKNOWN_AGENT,
        "ours": sorted(outcome.value for outcome in _OURS),
        "live": Source.LIVE.value,
        "bucket": BUCKET,
        "newest": _NEWEST,
        **limits._asdict(),
    }


def _without_gaps(rows: Sequence[_BucketRow], start: datetime, end: datetime) -> tuple[Bucket, ...]:
    """Every bucket that begins in the window, those without attempts included."""
    by_start = {row.started_at: row for row in rows}
    first = start + (_EPOCH - start) % BUCKET
    buckets = []
    for number in range(-((first - end) // BUCKET)):
        started_at = first + number * BUCKET
        row = by_start.get(started_at)
        buckets.append(
            Bucket(
                started_at=started_at,
                attempts=0 if row is None else row.attempts,
                percentiles=None if row is None else Percentiles(*row.percentiles),
                is_complete=started_at + BUCKET <= end,
            )
        )
    return tuple(buckets)


def _errors(tallies: Sequence[Tally]) -> tuple[ErrorCount, ...]:
    counts: dict[tuple[int, bool], int] = {}
    for tally in tallies:
        if tally.error_code is not None:
            key = (tally.error_code, tally.outcome in _OURS)
            counts[key] = counts.get(key, 0) + tally.count
    found = [ErrorCount(code, is_ours, count) for (code, is_ours), count in counts.items()]
    return tuple(sorted(found, key=lambda each: (-each.count, each.error_code)))


def _rate_without(bad: int, count: int) -> float | None:
    return None if count == 0 else (count - bad) / count
