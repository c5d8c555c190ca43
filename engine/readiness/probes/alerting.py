"""How alerting stands, for all probes that ask: the rules in force, and the evaluator's ticks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from engine.alerting.rules import Rule
from engine.alerting.rules_in_force import read_rules_in_force
from engine.alerting.status import AlertingStatus, read_status
from engine.readiness.probes.asking import rows
from engine.readiness.probes.probe import Question
from engine.readiness.probes.spans import Span

_SHARED: Final = "alerting"
# The evaluator may miss as many: its own watchdog waits for as long.
_INTERVALS: Final = 2
TICKS: Final = """
    -- How the evaluator has kept its time: what is missing, how long it was away, how late it came.
    SELECT count(*), coalesce(sum(step - 1), 0), max(pause), max(lag),
        percentile_disc(0.99) WITHIN GROUP (ORDER BY lag),
        min(number), max(number), min(started_at), max(started_at)
    FROM (
        SELECT number, started_at,
            extract(epoch FROM started_at - due_at) AS lag,
            number - lag(number) OVER numbered AS step,
            extract(epoch FROM started_at - lag(started_at) OVER numbered) AS pause
        FROM alert_tick
        WHERE started_at >= %(start)s AND started_at <= %(end)s
        WINDOW numbered AS (ORDER BY number)
    ) AS tick
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """How the evaluator has kept its time over a span.

    Attributes:
        count: of ticks.
        first: number of the first; None without any.
        last: number of the last; None without any.
        first_at: when the first began; None without any.
        missing: numbers that are not there between them.
        away_s: the longest time without a tick, that before the first and after the last included.
        allowed_s: that is no blindness yet.
        lag_p99_s: how late they came, all but 1 in 100; None without any.
        lag_max_s: the latest; None without any.
    """

    count: int
    first: int | None
    last: int | None
    first_at: datetime | None
    missing: int
    away_s: float
    allowed_s: float
    lag_p99_s: float | None
    lag_max_s: float | None

    @property
    def why_blind(self) -> str | None:
        """Why something may have happened that no rule has seen; None where nothing could."""
        if not self.count:
            return "The evaluator did not look at all: there is no tick"
        if self.missing:
            return f"The evaluator was blind: {self.missing} ticks are missing"
        if self.away_s > self.allowed_s:
            return (
                f"The evaluator was blind for {self.away_s:.0f} s, longer than"
                f" {self.allowed_s:.0f} s"
            )
        return None

    @property
    def numbers(self) -> dict[str, Any]:
        """The same for evidence."""
        return {
            "ticks": self.count,
            "firstTick": self.first,
            "lastTick": self.last,
            "missingTicks": self.missing,
            "longestAwaySeconds": round(self.away_s, 3),
            "lagP99Seconds": self.lag_p99_s,
            "lagMaxSeconds": self.lag_max_s,
        }


def rules_and_status(question: Question) -> tuple[Sequence[Rule], AlertingStatus]:
    """The rules in force and how they stand, once for all boxes of a run.

    Raises:
        psycopg.Error: the database could not be asked.
        PoolTimeout: the same.
    """
    if _SHARED not in question.shared:
        runtime = question.runtime
        with runtime.read_pool.connection() as connection:
            rules = read_rules_in_force(connection)
            status = read_status(connection, runtime.settings, rules, runtime.clock.now())
        question.shared[_SHARED] = (rules, status)
    found: tuple[Sequence[Rule], AlertingStatus] = question.shared[_SHARED]
    return found


def kept(question: Question, span: Span) -> Kept:
    """How the evaluator has kept its time over a span.

    Raises:
        psycopg.Error: the database could not be asked.
        PoolTimeout: the same.
    """
    interval = question.runtime.settings.alert_interval
    ((count, missing, pause, lag, p99, *ends),) = rows(
        question, TICKS, {"start": span.start, "end": span.end}
    )
    first, last, first_at, last_at = ends
    pauses = [_seconds(span.end - span.start)]
    if count:
        pauses = [_seconds(first_at - span.start), _seconds(span.end - last_at), float(pause or 0)]
    return Kept(
        count=count,
        first=first,
        last=last,
        first_at=first_at,
        missing=int(missing),
        away_s=max(pauses),
        allowed_s=_seconds(_INTERVALS * interval),
        lag_p99_s=None if p99 is None else float(p99),
        lag_max_s=None if lag is None else float(lag),
    )


def ago_s(at: datetime, now: datetime) -> float:
    """How many seconds ago something was."""
    return _seconds(now - at)


def _seconds(length: timedelta) -> float:
    return length.total_seconds()
