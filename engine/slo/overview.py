"""How saves are doing: all that the overview says, from one look at rollups and ledger.

Attempts that were refused before an agent was known are in no rate and are kept apart; those of
other traffic are only told by their number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import psycopg
from psycopg import sql

from engine.attempts.ledger import outcome_of
from engine.attempts.newest import RecentAttempt, newest
from engine.attempts.outcome import Outcome, Source
from engine.attempts.partitions import strays
from engine.errors import TAXONOMY, ErrorCode
from engine.rollups import series
from engine.rollups.counts import NOTHING, Counts, Traffic
from engine.rollups.grid import Tier, Window, charted_tier, window_until
from engine.rollups.histogram import percentiles_us
from engine.rollups.selection import Filter, Selection, within
from engine.rollups.series import Look, looking
from engine.slo.burn import BURN_WINDOWS
from engine.slo.coverage import Coverage, measure
from engine.slo.objectives import BUDGET_PERIOD, WINDOWS

# Every window that objectives, budgets and burn rates look at.
LENGTHS: Final = tuple(sorted({*WINDOWS, *BURN_WINDOWS, BUDGET_PERIOD}))
_NEWEST: Final = 20
_SHARES: Final = (0.50, 0.95, 0.99)
_OURS: Final = frozenset({Outcome.FAILED, Outcome.INDETERMINATE})
_IS_OURS: Final = {TAXONOMY[code].number: outcome_of(code) in _OURS for code in ErrorCode}
_ANY_ATTEMPT: Final = "SELECT 1 FROM attempt LIMIT 1"


class Percentiles(NamedTuple):
    """Nearest-rank percentiles of durations in microseconds, each within 1 %."""

    p50_us: int
    p95_us: int
    p99_us: int


@dataclass(frozen=True, slots=True)
class ErrorCount:
    """How many attempts ended with a code, and whether that is ours or the caller's doing."""

    error_code: int
    is_ours: bool
    count: int


@dataclass(frozen=True, slots=True)
class Bucket:
    """The attempts that started in one stretch of the chart.

    Attributes:
        started_at: its first instant.
        length: how long it is.
        attempts: how many; none is a number, not a gap in what is known.
        percentiles: None without attempts.
        is_complete: False of the newest one while its time is not over.
    """

    started_at: datetime
    length: timedelta
    attempts: int
    percentiles: Percentiles | None
    is_complete: bool


@dataclass(frozen=True, slots=True)
class Rolling:
    """How far the rollups are; numbers are exact however far that is.

    Attributes:
        rolled_at: when the roller ran last; None when it never did.
        tail: attempts that are read from the ledger itself until it runs again.
    """

    rolled_at: datetime | None
    tail: int


@dataclass(frozen=True, slots=True)
class Overview:
    """What is known of a window that ended at an instant.

    Attributes:
        now: the instant; every attempt that was committed before it is counted.
        length: how far back was asked for.
        window: what is counted: the same, widened to the grid of the rollups.
        wanted: which attempts.
        counts: of the window, histogram included.
        buckets: oldest first, without gaps.
        before_agent: what was refused before an agent was known; of live traffic only.
        others: attempts of other traffic in the window.
        by_length: what was counted in each of `LENGTHS`.
        rolling: how far the rollups are.
        newest: attempts of the window, newest first.
        is_ledger_empty: whether there is no attempt at all, not only none in the window.
        coverage: of the requests of the window, whichever attempts are looked at.
        strays: attempts in the ledger's default partition, which should be empty.
    """

    now: datetime
    length: timedelta
    window: Window
    wanted: Filter
    counts: Counts
    buckets: tuple[Bucket, ...]
    before_agent: Counts
    others: int
    by_length: Mapping[timedelta, Counts]
    rolling: Rolling
    newest: tuple[RecentAttempt, ...]
    is_ledger_empty: bool
    coverage: Coverage
    strays: int

    @property
    def attempts(self) -> int:
        """Counted attempts: the denominator of every rate."""
        return self.counts.attempts

    @property
    def success_rate(self) -> float | None:
        """(committed + replayed) / all, as the checklist counts it; None without attempts."""
        return _share(self.counts.succeeded, self.attempts)

    @property
    def service_success_rate(self) -> float | None:
        """1 - (failed + indeterminate) / all; None without attempts."""
        return _share(self.attempts - self.counts.service_failures, self.attempts)

    @property
    def percentiles(self) -> Percentiles | None:
        """Of the durations that are known; None without any."""
        return percentiles_of(self.counts)

    @property
    def errors(self) -> tuple[ErrorCount, ...]:
        """Codes of counted attempts, most frequent first."""
        return errors_of(self.counts)

    @property
    def errors_before_agent(self) -> tuple[ErrorCount, ...]:
        """Codes of attempts that were refused before an agent was known, most frequent first."""
        return errors_of(self.before_agent)


def percentiles_of(counts: Counts) -> Percentiles | None:
    """The percentiles that screens show; None where no duration is known."""
    found = percentiles_us(counts.histogram, _SHARES)
    return None if found is None else Percentiles(*map(round, found))


def errors_of(counts: Counts) -> tuple[ErrorCount, ...]:
    """The codes of some attempts, most frequent first; one that a newer release wrote is ours."""
    found = [
        ErrorCount(code, _IS_OURS.get(code, True), count) for code, count in counts.by_code.items()
    ]
    return tuple(sorted(found, key=lambda each: (-each.count, each.error_code)))


def read(
    connection: psycopg.Connection[Any], *, now: datetime, length: timedelta, wanted: Filter
) -> Overview:
    """Reads the window that ends now.

    Args:
        connection: in autocommit.
        now: the present instant.
        length: how far back.
        wanted: which attempts to look at.

    Raises:
        psycopg.Error: the database could not be asked.
    """
    window = window_until(now, length)
    with looking(connection) as look:
        counts = look.whole(window, wanted)
        before_agent = _before_agent(look, window, wanted)
        everything = look.counts([window], Filter(wanted.operation, None, wanted.path))[0]
        windows = [window_until(now, each) for each in LENGTHS]
        by_length = dict(zip(LENGTHS, look.counts(windows, wanted), strict=True))
        return Overview(
            now=now,
            length=length,
            window=window,
            wanted=wanted,
            counts=counts,
            buckets=_buckets(look, window, now, wanted),
            before_agent=before_agent,
            others=everything.attempts - counts.attempts - before_agent.attempts,
            by_length=by_length,
            rolling=Rolling(look.state.rolled_at, look.tail_size(windows[-1].start)),
            newest=_newest(connection, look, window, wanted, now),
            is_ledger_empty=not everything.attempts and _is_ledger_empty(connection),
            coverage=measure(connection, look, now, length),
            strays=strays(connection),
        )


def _before_agent(look: Look, window: Window, wanted: Filter) -> Counts:
    if wanted.traffic is not Traffic.LIVE:
        return NOTHING
    return look.counts([window], wanted._replace(traffic=Traffic.UNKNOWN_CALLER))[0]


def _buckets(look: Look, window: Window, now: datetime, wanted: Filter) -> tuple[Bucket, ...]:
    tier = charted_tier(window, now)
    return tuple(_bucket(each, tier, now) for each in look.series(window, tier, wanted))


def _bucket(found: series.Bucket, tier: Tier, now: datetime) -> Bucket:
    return Bucket(
        started_at=found.start,
        length=tier.length,
        attempts=found.counts.attempts,
        percentiles=percentiles_of(found.counts),
        is_complete=found.start + tier.length <= now,
    )


def _newest(
    connection: psycopg.Connection[Any], look: Look, window: Window, wanted: Filter, now: datetime
) -> tuple[RecentAttempt, ...]:
    """What was refused before an agent was known is shown among them: it happened."""
    shown = [wanted]
    if wanted.traffic is Traffic.LIVE:
        shown.append(wanted._replace(traffic=Traffic.UNKNOWN_CALLER))
    spans = look.latest(window, shown, _NEWEST, now)
    if not spans:
        return ()
    bounds = Window(spans[0].start, spans[-1].end)
    condition = Selection(bounds, wanted._replace(traffic=None)).condition()
    condition += sql.SQL(" AND ({})").format(within(spans))
    if wanted.traffic is not None:
        source = Source.LIVE if wanted.traffic is Traffic.LIVE else Source(wanted.traffic.value)
        condition += sql.SQL(" AND source = {}").format(sql.Literal(source.value))
    return newest(connection, condition, _NEWEST)


def _is_ledger_empty(connection: psycopg.Connection[Any]) -> bool:
    """Whether there is no attempt at all; stops at the first row, whichever day that is of."""
    return connection.execute(_ANY_ATTEMPT).fetchone() is None


def _share(part: int, of: int) -> float | None:
    return part / of if of else None
