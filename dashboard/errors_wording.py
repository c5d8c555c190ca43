"""What the errors page says of shares, changes and moments, in words.

Pure functions. A share of what had better be little is cut upwards: it is never flattered.
"""

from __future__ import annotations

from datetime import UTC
from typing import Final
from zoneinfo import ZoneInfo

from dashboard.wording import attempts_of, percent, percent_at_least
from engine.rollups.counts import Counts
from engine.rollups.failures import CodeFailures, Moment, Sample
from engine.rollups.parts import Part
from engine.rollups.selection import Filter
from engine.slo.bounds import lower_bound, upper_bound

NO_DATA: Final = "No data"


# --- shares ---


def share(count: int, of: int) -> str:
    """1 of 3 → 33.34 %; more than nothing never reads as nothing."""
    return percent_at_least(count / of) if of else NO_DATA


def bounds(bad: int, of: int) -> str:
    """Between which shares the true one lies, each end with 95 % confidence."""
    if not of:
        return NO_DATA
    return f"{percent(lower_bound(bad, of))} to {percent_at_least(upper_bound(bad, of))}"


def difference(bad: Part, hardened: Counts, legacy: Counts) -> str:
    """Whether one path is worse than the other by more than chance.

    It is when the exact bounds of the two shares leave a gap.
    """
    if not hardened.attempts or not legacy.attempts:
        missing = [
            name
            for name, counts in (("hardened", hardened), ("legacy", legacy))
            if not counts.attempts
        ]
        return f"No data on {' and '.join(missing)}"
    ours, theirs = bad.count(hardened), bad.count(legacy)
    if lower_bound(theirs, legacy.attempts) > upper_bound(ours, hardened.attempts):
        return "Legacy is worse, more than chance"
    if lower_bound(ours, hardened.attempts) > upper_bound(theirs, legacy.attempts):
        return "Hardened is worse, more than chance"
    return "None that could not be chance"


# --- changes ---


def trend(count: int, attempts: int, before: int, attempts_before: int) -> str:
    """How a code's share of all attempts has changed: new, unchanged, +40 %, no data before.

    Args:
        count: attempts with the code.
        attempts: all of the window; at least one.
        before: attempts with the code in the window before.
        attempts_before: all of that window.
    """
    if not attempts_before:
        return "no data before"
    if not before:
        return "new"
    # In whole numbers, towards zero.
    change = abs(count * attempts_before - before * attempts) * 100 // (before * attempts)
    if not change:
        return "unchanged"
    sign = "+" if count * attempts_before > before * attempts else "\N{MINUS SIGN}"
    return f"{sign}{change:,} %"


# --- moments and samples ---


def when(moment: Moment, zone: ZoneInfo | None = None) -> str:
    """2026-11-25 12:03:07, or of a day its date."""
    if moment.is_day:
        return f"{moment.at.astimezone(UTC):%Y-%m-%d}, that day"
    return f"{moment.at.astimezone(zone or UTC):%Y-%m-%d %H:%M:%S}"


def looked_at(code: CodeFailures) -> str:
    """How many of a code's attempts were asked whom they touched."""
    match code.sample:
        case None:
            return "none is kept any more"
        case Sample(attempts=attempts) if attempts >= code.count:
            return "all"
        case Sample(attempts=attempts):
            return f"newest {attempts:,} of {code.count:,}"


def no_attempts(wanted: Filter) -> str:
    """No EXPIRE attempts: whoever filters is not told of all the others."""
    return f"No {attempts_of(wanted)} in the window"
