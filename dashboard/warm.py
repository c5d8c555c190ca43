"""Everything heavy that pages import, loaded and used once at start-up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from dashboard import plot, view
from dashboard.reads import Reading
from dashboard.status import Freshness
from engine.attempts.outcome import Outcome
from engine.attempts.summary import (
    BUCKET,
    Bucket,
    Percentiles,
    RecentAttempt,
    Slower,
    Summary,
    Tally,
)
from engine.quotes.lifecycle import Operation

_THEN: Final = datetime(2026, 1, 1, tzinfo=UTC)
_CODE: Final = 1
_EXAMPLE: Final = Summary(
    start=_THEN,
    end=_THEN + timedelta(minutes=5),
    operation=None,
    tallies=(Tally(Operation.CREATE, Outcome.REJECTED, _CODE, is_counted=True, count=1),),
    other_sources=0,
    percentiles=Percentiles(1, 1, 1),
    slower=Slower(0, 0),
    buckets=tuple(
        Bucket(_THEN + number * BUCKET, 1, Percentiles(1, 1, 1), is_complete=True)
        for number in range(30)
    ),
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
)


def render_once() -> None:
    """Draws an example, so that lazy imports are done and first uses are over."""
    for summary in (_EXAMPLE, None):
        view.compose(Reading(summary, Freshness(), waiting=0), None, None, _THEN)
    plot.load()
