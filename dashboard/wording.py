"""Numbers in words: what the screens say, and in which colour.

Pure functions. A rate is never rounded to look better than it is, and what is not known is called
so: no zero stands for it and no green.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from typing import Final, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from engine.attempts.summary import ErrorCount, Limits, Summary
from engine.errors import TAXONOMY

Colour = Literal["green", "red", "orange", "blue", "gray"]

LIMITS: Final = Limits()
_CODE_NAMES: Final = {meaning.number: code.value for code, meaning in TAXONOMY.items()}
_MILLI: Final = 1_000
_FINE_BELOW_MS: Final = 100
_SHORT: Final = 8


@dataclass(frozen=True, slots=True)
class Words:
    """A short statement and the colour that repeats it."""

    text: str
    colour: Colour


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


STALE: Final = Words("Stale", "orange")


# --- numbers ---


def count(number: int) -> str:
    """1234 → 1,234."""
    return f"{number:,}"


def counted(number: int, noun: str) -> str:
    """1 → 1 attempt, 1234 → 1,234 attempts."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def percent(share: float) -> str:
    """0.98429 → 98.42 %; cut, not rounded, so that nearly all never reads as all."""
    # Through the shortest text of the float: 0.29 must not become 28.99 %.
    cut = (Decimal(repr(share)) * 100).quantize(Decimal("0.01"), ROUND_FLOOR)
    return f"{cut.normalize():f} %" if cut == cut.to_integral() else f"{cut} %"


def milliseconds(microseconds: int) -> str:
    """12345 → 12.3 ms; cut, so that what reads as the limit has reached it."""
    whole = microseconds / _MILLI
    if whole < _FINE_BELOW_MS:
        return f"{microseconds // 100 / 10:.1f} ms"
    return f"{int(whole):,} ms"


def per_second(number: int, window: timedelta) -> str:
    """1200 in a minute → 20/s; below ten with one more digit."""
    rate = number / window.total_seconds()
    return f"{rate:.0f}/s" if rate >= 10 else f"{rate:.1f}/s"  # noqa: PLR2004  # see above


def code_name(number: int) -> str:
    """The name of an error code; one that a newer release wrote keeps its number."""
    return _CODE_NAMES.get(number, f"code {number}")


def short_id(given: UUID | None) -> str:
    """The end of an id: ids made in the same minute begin alike."""
    return "" if given is None else f"…{given.hex[-_SHORT:]}"


# --- time ---


def zone_of(name: str | None, now: datetime) -> ZoneInfo | None:
    """The viewer's zone; None when the browser names none that we know, or it now agrees with UTC.

    Args:
        name: as the browser gives it, so perhaps anything.
        now: the present instant.
    """
    try:
        zone = ZoneInfo(name or "UTC")
    except (ValueError, OSError, LookupError):
        return None
    return zone if now.astimezone(zone).utcoffset() else None


def clock_time(instant: datetime, zone: ZoneInfo | None = None) -> str:
    """12:03:07 UTC, and for a viewer elsewhere also what their clock showed."""
    text = f"{instant.astimezone(UTC):%H:%M:%S} UTC"
    if zone is None:
        return text
    return f"{text} ({instant.astimezone(zone):%H:%M:%S} {zone.key})"


def table_time(instant: datetime, zone: ZoneInfo | None) -> str:
    """12:03:07.123, in UTC unless a zone is given."""
    return f"{instant.astimezone(zone or UTC):%H:%M:%S.%f}"[:-3]


def window_words(window: timedelta) -> str:
    """Last 5 minutes."""
    return f"Last {int(window.total_seconds() // 60)} minutes"


# --- states of the page ---


def badges(
    summary: Summary | None, freshness: Freshness, refresh_s: int | None, waiting: int
) -> tuple[Words, ...]:
    """The row under the title: how the numbers come about, and what is not in them.

    Args:
        summary: what was read last.
        freshness: how that stands to the present.
        refresh_s: seconds between refreshes; None while paused.
        waiting: attempts of this process that the ledger has yet to take.
    """
    found = [_liveness(freshness, refresh_s)]
    if summary is not None and summary.attempts:
        found += _faults(summary)
    if summary is not None and summary.attempts == 0:
        found.append(Words("No attempts", "gray"))
    if waiting:
        found.append(Words(f"{counted(waiting, 'attempt')} not in the ledger yet", "orange"))
    if summary is not None and summary.other_sources:
        found.append(Words(f"{count(summary.other_sources)} not live, not counted", "gray"))
    return tuple(found)


def _liveness(freshness: Freshness, refresh_s: int | None) -> Words:
    if freshness.is_stale:
        return STALE
    if refresh_s is None:
        return Words("Paused", "gray")
    return Words(f"Live, every {refresh_s} s", "blue")


def _faults(summary: Summary) -> list[Words]:
    """Whose fault the errors were; in the same colours as their bars."""
    ours = summary.service_failures
    theirs = summary.unsuccessful - ours
    service = percent(summary.service_success_rate or 0.0)
    return [
        Words(
            f"{counted(ours, 'failure')} of ours, service rate {service}",
            "red" if ours else "gray",
        ),
        Words(f"{counted(theirs, 'error')} of callers", "orange" if theirs else "gray"),
    ]


def outage(freshness: Freshness, summary: Summary | None, zone: ZoneInfo | None) -> str:
    """One line on why the numbers are old."""
    if freshness.failing_since is None:
        return ""
    since = clock_time(freshness.failing_since, zone)
    shown = (
        "No numbers were read before that."
        if summary is None
        else f"The numbers below are those of {clock_time(summary.end, zone)}."
    )
    return f"{freshness.reason} since {since}. {shown}"


def refused_before_agent(errors: Sequence[ErrorCount]) -> str:
    """One line on attempts that are in no rate."""
    if not errors:
        return ""
    total = sum(error.count for error in errors)
    codes = ", ".join(f"{code_name(error.error_code)} {count(error.count)}" for error in errors)
    return f"{count(total)} refused before an agent was known, in no rate: {codes}"
