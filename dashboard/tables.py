"""Tables as data frames: what stands in which column, as text that nobody interprets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from zoneinfo import ZoneInfo

import pandas as pd
import pyarrow as pa

from dashboard import wording
from engine.attempts.newest import RecentAttempt

STARTED: Final = "Started, UTC"
OUTCOME: Final = "Outcome"
CODE: Final = "Code"
CORRELATION_ID: Final = "Correlation id"
DURATION: Final = "Duration, ms"
QUOTE: Final = "Quote"


def packed(frame: pd.DataFrame) -> pa.Table:
    """A data frame as the browser gets it: done once, not for each viewer's every refresh."""
    return pa.Table.from_pandas(frame, preserve_index=False)


def newest(
    attempts: Sequence[RecentAttempt], zone: ZoneInfo | None, *, has_date: bool = False
) -> pd.DataFrame:
    """The newest attempts, one a row.

    What became of an attempt stands first: a phone shows no more than that. The viewer's own clock
    comes last, since it only repeats the first column.

    Args:
        attempts: in the order in which they are shown.
        zone: the viewer's; None where that is UTC.
        has_date: whether to say the day of each.
    """
    columns: dict[str, list[object]] = {
        STARTED: [
            wording.table_time(each.started_at, None, has_date=has_date) for each in attempts
        ],
        OUTCOME: [each.outcome.name.lower() for each in attempts],
        CODE: [
            "" if each.error_code is None else wording.code_name(each.error_code)
            for each in attempts
        ],
        CORRELATION_ID: [each.correlation_id for each in attempts],
        "Operation": [each.operation.name for each in attempts],
        DURATION: [wording.known_tenths(each.duration_us) for each in attempts],
        "Retries": [each.retries for each in attempts],
        QUOTE: [wording.short_id(each.quote_id) for each in attempts],
    }
    if zone is not None:
        columns[f"Started, {zone.key}"] = [
            wording.table_time(each.started_at, zone, has_date=has_date) for each in attempts
        ]
    return pd.DataFrame(columns)
