"""The tables of durations: percentiles beside those before, and the slowest attempts."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, trunc
from typing import Final
from zoneinfo import ZoneInfo

import pandas as pd

from dashboard import receipts, wording
from engine.quotes.lifecycle import Operation
from engine.rollups import parts
from engine.rollups.counts import NOTHING, Counts
from engine.rollups.grid import Window
from engine.rollups.histogram import TOLD_SHARES, estimate_us, percentile_buckets
from engine.rollups.latency import Latency
from engine.rollups.selection import Filter, Selection
from engine.rollups.slowest import SlowAttempt

NAMES: Final = ("P50", "P95", "P99", "P99.9")

OPERATION: Final = "Operation"
ATTEMPTS: Final = "Attempts"
DATABASE_SHARE: Final = "Database share"
LONGEST: Final = "Longest, ms"
ATTEMPTS_BEFORE: Final = "Attempts before"
RECEIPT: Final = "Rows"

STARTED: Final = "Started, UTC"
DURATION: Final = "Total, ms"
DATABASE: Final = "Database, ms"
REST: Final = "Rest, ms"
RETRIES: Final = "Retries"
OUTCOME: Final = "Outcome"
CODE: Final = "Code"
CORRELATION_ID: Final = "Correlation id"
QUOTE: Final = "Quote"

_ALL: Final = "All"
NO_DATA_BEFORE: Final = "no data before"
UNCHANGED: Final = "unchanged"
# The percentile of two windows may be the same while their estimates are a bucket apart.
_TOLD_APART: Final = 2


def value_column(name: str) -> str:
    """P95 → P95, ms: the column of a percentile."""
    return f"{name}, ms"


def change_column(name: str) -> str:
    """P95 → P95 change: the column that compares it with the window before."""
    return f"{name} change"


def percentiles(latency: Latency) -> pd.DataFrame:
    """Percentiles by operation, each beside what became of it since the window before.

    Args:
        latency: what was read.

    Returns:
        One row for all operations, or for the one that is looked at, and one for each operation;
        empty if nothing has a duration.
    """
    present, before = latency.present, latency.before
    rows = [(latency.wanted.operation, present.counts, before.counts)]
    rows += [
        (operation, counts, before.by_operation.get(operation, NOTHING))
        for operation, counts in present.by_operation.items()
    ]
    return pd.DataFrame(
        [
            _row(operation, counts, earlier, _selection(latency.wanted, operation, present.window))
            for operation, counts, earlier in rows
            if counts.timed
        ]
    )


def _row(
    operation: Operation | None, counts: Counts, before: Counts, selection: Selection
) -> dict[str, object]:
    row: dict[str, object] = {
        OPERATION: _ALL if operation is None else operation.name,
        ATTEMPTS: counts.timed,
    }
    found = percentile_buckets(counts.histogram, TOLD_SHARES)
    earlier = percentile_buckets(before.histogram, TOLD_SHARES)
    for number, name in enumerate(NAMES):
        row[value_column(name)] = None if found is None else _milliseconds(found[number])
        row[change_column(name)] = change(
            None if found is None else found[number],
            None if earlier is None else earlier[number],
            is_enough=min(counts.timed, before.timed) >= _needed(TOLD_SHARES[number]),
        )
    row[DATABASE_SHARE] = (
        wording.percent(counts.database_us / counts.duration_us) if counts.duration_us else ""
    )
    row[LONGEST] = wording.tenths(counts.longest_us)
    row[ATTEMPTS_BEFORE] = before.timed
    row[RECEIPT] = receipts.href(selection)
    return row


def change(bucket: int | None, before: int | None, *, is_enough: bool) -> str:
    """What became of a percentile, as far as the histogram can tell.

    Args:
        bucket: of the histogram, that the percentile lies in now.
        before: the one that it lay in before.
        is_enough: whether there were enough attempts for it to be more than the longest one.
    """
    if bucket is None or before is None:
        return NO_DATA_BEFORE
    was = f"was {_milliseconds(before):,.1f}"
    if not is_enough:
        return f"too few, {was}"
    if abs(bucket - before) < _TOLD_APART:
        return f"{UNCHANGED}, {was}"
    share = estimate_us(bucket) / estimate_us(before) - 1
    return f"{trunc(share * 100):+,d} %, {was}"


def _needed(share: float) -> int:
    """How many attempts it takes for a percentile not to be the longest one by necessity."""
    return ceil(round(1 / (1 - share), 6))


def _milliseconds(bucket: int) -> float:
    return wording.tenths(int(estimate_us(bucket)))


def _selection(wanted: Filter, operation: Operation | None, window: Window) -> Selection:
    return Selection(window, wanted._replace(operation=operation), part=parts.TIMED)


def slowest(attempts: Sequence[SlowAttempt], zone: ZoneInfo | None) -> pd.DataFrame:
    """The slowest attempts, and where their time went.

    Args:
        attempts: in the order in which they are shown.
        zone: the viewer's; None where that is UTC.
    """
    columns: dict[str, list[object]] = {
        DURATION: [wording.tenths(each.duration_us) for each in attempts],
        DATABASE: [wording.tenths(each.database_us) for each in attempts],
        # Of what is shown, so that it adds up on the screen.
        REST: [(_tenths(each.duration_us) - _tenths(each.database_us)) / 10 for each in attempts],
        DATABASE_SHARE: [
            min(each.database_us * 100 // max(each.duration_us, 1), 100) for each in attempts
        ],
        RETRIES: [each.retries for each in attempts],
        CORRELATION_ID: [each.correlation_id for each in attempts],
        OPERATION: [each.operation.name for each in attempts],
        OUTCOME: [each.outcome.name.lower() for each in attempts],
        CODE: [
            "" if each.error_code is None else wording.code_name(each.error_code)
            for each in attempts
        ],
        QUOTE: [wording.short_id(each.quote_id) for each in attempts],
        STARTED: [f"{each.started_at:%Y-%m-%d %H:%M:%S}" for each in attempts],
    }
    if zone is not None:
        columns[f"Started, {zone.key}"] = [
            f"{each.started_at.astimezone(zone):%Y-%m-%d %H:%M:%S}" for each in attempts
        ]
    return pd.DataFrame(columns)


def _tenths(microseconds: int) -> int:
    return microseconds // 100
