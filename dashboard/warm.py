"""Everything heavy that pages import, loaded and used once at start-up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from dashboard import plot, view
from dashboard.reads import Reading
from dashboard.status import Freshness
from engine.attempts.newest import RecentAttempt
from engine.attempts.outcome import Outcome
from engine.quotes.lifecycle import Operation
from engine.rollups.counts import NOTHING, Counts
from engine.rollups.grid import Tier, window_until
from engine.rollups.selection import Filter
from engine.slo.coverage import Coverage
from engine.slo.overview import LENGTHS, Bucket, Overview, Percentiles, Rolling

_THEN: Final = datetime(2026, 1, 1, tzinfo=UTC)
_LENGTH: Final = timedelta(minutes=5)
_CODE: Final = 1
_COUNTS: Final = Counts(
    attempts=1, by_outcome={Outcome.REJECTED: 1}, by_code={_CODE: 1}, timed=1, histogram={1: 1}
)
_EXAMPLE: Final = Overview(
    now=_THEN,
    length=_LENGTH,
    window=window_until(_THEN, _LENGTH),
    wanted=Filter(),
    counts=_COUNTS,
    buckets=tuple(
        Bucket(
            _THEN - _LENGTH + number * Tier.TEN_SECONDS.length,
            Tier.TEN_SECONDS.length,
            1,
            Percentiles(1, 1, 1),
            is_complete=True,
        )
        for number in range(30)
    ),
    before_agent=NOTHING,
    others=0,
    by_length=dict.fromkeys(LENGTHS, _COUNTS),
    rolling=Rolling(_THEN, 0),
    newest=(
        RecentAttempt(
            started_at=_THEN,
            correlation_id="REQ-EXAMPLE",
            operation=Operation.CREATE,
            outcome=Outcome.REJECTED,
            error_code=_CODE,
            duration_us=1,
            retries=0,
            quote_id=None,
            is_agent_known=True,
        ),
    ),
    is_ledger_empty=False,
    coverage=Coverage(1, 0, 0),
    strays=0,
)


def render_once() -> None:
    """Draws an example, so that lazy imports are done and first uses are over."""
    for summary in (_EXAMPLE, None):
        view.compose(Reading(summary, Freshness(), waiting=0), None, None, _THEN)
    plot.load()
