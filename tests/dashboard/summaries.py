"""Overviews made by hand, for what is drawn and said of them."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from engine.attempts.ledger import outcome_of
from engine.attempts.outcome import Outcome
from engine.errors import TAXONOMY, ErrorCode
from engine.rollups.counts import NOTHING, Counts
from engine.rollups.grid import Tier, window_until
from engine.rollups.histogram import bucket_of
from engine.rollups.selection import Filter
from engine.slo.coverage import Coverage
from engine.slo.overview import LENGTHS, Bucket, Overview, Percentiles, Rolling

WINDOW: Final = timedelta(minutes=5)
END: Final = datetime(2026, 3, 1, 12, 0, 10, tzinfo=UTC)
BUCKET: Final = Tier.TEN_SECONDS.length
# What stands for a duration is within 1 % of it.
TOOK_US: Final = 20_000
TOOK: Final = "20.1 ms"


def summary(
    committed: int = 0,
    codes: dict[ErrorCode, int] | None = None,
    buckets: list[tuple[int, Percentiles | None]] | None = None,
    **more: Any,
) -> Overview:
    """An overview of updates that took 20 ms each.

    Args:
        committed: how many succeeded.
        codes: how many ended with which code.
        buckets: attempts and percentiles of the newest buckets, the last of them unfinished.
        more: fields to set.
    """
    counted = counts(committed, codes)
    drawn = buckets or []
    first = END - len(drawn) * BUCKET
    given: dict[str, Any] = {
        "now": END,
        "length": WINDOW,
        "window": window_until(END, WINDOW),
        "wanted": Filter(),
        "counts": counted,
        "buckets": tuple(
            Bucket(
                first + number * BUCKET,
                BUCKET,
                attempts,
                found,
                is_complete=number < len(drawn) - 1,
            )
            for number, (attempts, found) in enumerate(drawn)
        ),
        "before_agent": NOTHING,
        "others": 0,
        "by_length": dict.fromkeys(LENGTHS, counted),
        "rolling": Rolling(END, 0),
        "newest": (),
        "is_ledger_empty": False,
        "coverage": Coverage(counted.attempts, 0, 0),
        "strays": 0,
    }
    return Overview(**given | more)


def counts(committed: int = 0, codes: dict[ErrorCode, int] | None = None, **more: Any) -> Counts:
    """What was counted of attempts that ended like this, each of which took 20 ms."""
    outcomes = Counter({Outcome.COMMITTED: committed} if committed else {})
    for code, number in (codes or {}).items():
        outcomes[outcome_of(code)] += number
    attempts = outcomes.total()
    given: dict[str, Any] = {
        "attempts": attempts,
        "by_outcome": dict(outcomes),
        "by_code": {TAXONOMY[code].number: number for code, number in (codes or {}).items()},
        "timed": attempts,
        "duration_us": attempts * TOOK_US,
        "longest_us": TOOK_US if attempts else 0,
        "histogram": {bucket_of(TOOK_US): attempts} if attempts else {},
    }
    return Counts(**given | more)
