"""What is said of the numbers as a whole: how old they are, and what is not in them.

Pure functions. What is not known is called so: no zero stands for it and no green.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from dashboard.wording import (
    Words,
    clock_time,
    code_name,
    count,
    counted,
    no_attempts,
    window_words,
)
from engine.rollups.parts import CALLERS_ERRORS
from engine.slo.overview import ErrorCount, Overview

# How often the roller runs, unless the settings say another interval.
_ROLL_EVERY: Final = timedelta(seconds=10)
# It is late after some of its intervals, and something for a run that takes long.
_INTERVALS: Final = 3
_A_RUN: Final = timedelta(seconds=15)

STALE: Final = Words("Stale", "orange")
NOTHING_READ: Final = "Nothing could be read yet"


@dataclass(frozen=True, slots=True)
class Freshness:
    """How the numbers on the screen stand to the present.

    Attributes:
        failing_since: since when the database has not answered; None while it does.
        reason: why not, in a few words.
    """

    failing_since: datetime | None = None
    reason: str = ""

    @property
    def is_stale(self) -> bool:
        """Whether what is shown is older than it should be."""
        return self.failing_since is not None


def badges(
    summary: Overview, refresh_s: int | None, waiting: int, roll_every: timedelta = _ROLL_EVERY
) -> tuple[Words, ...]:
    """How fresh numbers come about, and what is not in them.

    Args:
        summary: what was read last.
        refresh_s: seconds between refreshes; None while paused.
        waiting: attempts of this process that the ledger has yet to take.
        roll_every: how often the roller runs.
    """
    found = [
        Words("Paused", "gray")
        if refresh_s is None
        else Words(f"Live, every {refresh_s} s", "blue")
    ]
    if summary.attempts:
        theirs = CALLERS_ERRORS.count(summary.counts)
        found.append(Words(f"Callers' errors: {count(theirs)}", "orange" if theirs else "gray"))
    if waiting:
        found.append(Words(f"{counted(waiting, 'attempt')} not in the ledger yet", "orange"))
    if summary.others:
        found.append(Words(f"{count(summary.others)} of other traffic, not counted", "gray"))
    if summary.coverage.missing:
        found.append(
            Words(f"{counted(summary.coverage.missing, 'request')} without a ledger row", "red")
        )
    log = summary.coverage.log
    if log.missing:
        found.append(Words(f"{counted(log.missing, 'request')} without a log line", "red"))
    if log.lost:
        lost = counted(log.lost, "log line")
        found.append(Words(f"{lost} could not be written: saveguard logs says why", "orange"))
    if summary.strays:
        strays = counted(summary.strays, "attempt")
        found.append(Words(f"{strays} in the default partition", "orange"))
    late = _late_roller(summary, _INTERVALS * roll_every + _A_RUN)
    if late:
        found.append(Words(late, "orange"))
    return tuple(found)


def _late_roller(summary: Overview, patience: timedelta) -> str:
    """That the roller is behind; numbers stay exact, but take longer to read."""
    rolled_at, tail = summary.rolling.rolled_at, summary.rolling.tail
    if not tail or (rolled_at is not None and summary.now - rolled_at < patience):
        return ""
    since = (
        "has not run yet"
        if rolled_at is None
        else f"has not run since {clock_time(rolled_at, None, summary.now)}"
    )
    return f"The roller {since}: exact, but slower"


def as_of(summary: Overview, zone: ZoneInfo | None, now: datetime | None) -> str:
    """Which window it is, and where it ends.

    Args:
        summary: what was read last.
        zone: the viewer's; None where that is UTC.
        now: the present instant; None while paused, when the words may stand there for days.
    """
    return f"{window_words(summary.length)}, exact as of {clock_time(summary.now, zone, now)}"


def outage(
    freshness: Freshness,
    read_at: datetime | None,
    zone: ZoneInfo | None,
    now: datetime | None,
    *,
    waiting: int = 0,
) -> str:
    """Why the numbers are old, and which they are; empty while they are not.

    Args:
        freshness: how they stand to the present.
        read_at: when those that are shown were read; None if none ever were.
        zone: the viewer's; None where that is UTC.
        now: see `as_of`.
        waiting: attempts of this process that the ledger has yet to take.
    """
    if not freshness.is_stale:
        return ""
    shown = (
        "No numbers were read before that."
        if read_at is None
        # The viewer's own clock has been told: seconds usually lie between the two.
        else f"The numbers below are those of {clock_time(read_at, None, now)}."
    )
    held = f" {counted(waiting, 'attempt')} not in the ledger yet." if waiting else ""
    return f"{stale_since(freshness, zone, now)} {shown}{held}"


def stale_since(freshness: Freshness, zone: ZoneInfo | None, now: datetime | None) -> str:
    """Why there is nothing newer, and since when; empty while there is.

    Args:
        freshness: how what is shown stands to the present.
        zone: the viewer's; None where that is UTC.
        now: see `as_of`.
    """
    if freshness.failing_since is None:
        return ""
    since = clock_time(freshness.failing_since, zone, now)
    return f"{STALE.text}: {freshness.reason} since {since}."


def refused_before_agent(errors: Sequence[ErrorCount]) -> str:
    """One line on attempts that are in no rate."""
    if not errors:
        return ""
    total = sum(error.count for error in errors)
    return f"{count(total)} refused before an agent was known, in no rate: {codes(errors)}"


def codes(errors: Sequence[ErrorCount]) -> str:
    """Codes with their numbers."""
    return ", ".join(f"{code_name(error.error_code)} {count(error.count)}" for error in errors)


def nothing_in_window(summary: Overview | None) -> str:
    """What stands in the place of the newest attempts, as Markdown."""
    if summary is None:
        return f"{NOTHING_READ}."
    if summary.is_ledger_empty:
        return (
            "The ledger is empty. To see this page move, replay bookings:"
            " `saveguard replay FILE --via http`; or save a first quote:"
            " docs/tutorial/first-quote.md."
        )
    return f"{no_attempts(summary.wanted, summary.length)}."
