"""Summaries made by hand, for what is drawn and said of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from engine.attempts.ledger import outcome_of
from engine.attempts.outcome import Outcome
from engine.attempts.summary import BUCKET, Bucket, Percentiles, Slower, Summary, Tally
from engine.errors import TAXONOMY, ErrorCode
from engine.quotes.lifecycle import Operation

WINDOW: Final = timedelta(minutes=5)
END: Final = datetime(2026, 3, 1, 12, 0, 10, tzinfo=UTC)


def summary(
    committed: int = 0,
    codes: dict[ErrorCode, int] | None = None,
    buckets: list[tuple[int, Percentiles | None]] | None = None,
    **more: Any,
) -> Summary:
    """A summary of updates.

    Args:
        committed: how many succeeded.
        codes: how many ended with which code.
        buckets: attempts and percentiles of the newest buckets, the last of them unfinished.
        more: fields to set.
    """
    tallies = [_tally(Outcome.COMMITTED, None, committed)] if committed else []
    tallies += [
        _tally(outcome_of(code), TAXONOMY[code].number, number)
        for code, number in (codes or {}).items()
    ]
    drawn = buckets or []
    first = END - len(drawn) * BUCKET
    given: dict[str, Any] = {
        "start": END - WINDOW,
        "end": END,
        "operation": None,
        "tallies": tuple(tallies),
        "other_sources": 0,
        "percentiles": Percentiles(10_000, 20_000, 30_000) if tallies else None,
        "slower": Slower(0, 0),
        "buckets": tuple(
            Bucket(first + number * BUCKET, attempts, found, is_complete=number < len(drawn) - 1)
            for number, (attempts, found) in enumerate(drawn)
        ),
        "newest": (),
        "is_ledger_empty": False,
    }
    return Summary(**given | more)


def before_agent(number: int) -> Tally:
    """Attempts that were refused before an agent was known."""
    code = TAXONOMY[ErrorCode.AUTHENTICATION_FAILED].number
    return Tally(Operation.CREATE, Outcome.REJECTED, code, is_counted=False, count=number)


def _tally(outcome: Outcome, code: int | None, number: int) -> Tally:
    return Tally(Operation.UPDATE, outcome, code, is_counted=True, count=number)
