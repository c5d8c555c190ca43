"""Numbers, instants and names in words, as every screen writes them.

Pure functions. Numbers are cut and never rounded: a rate must not look better than it is, and what
reads as a limit has reached it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from engine.attempts import words as attempt_words
from engine.errors import TAXONOMY
from engine.rollups.counts import Traffic
from engine.rollups.selection import Filter

Colour = Literal["green", "red", "orange", "blue", "gray", "violet"]

# By the words of the ledger.
OUTCOME_COLOURS: Final[dict[str, Colour]] = {
    "committed": "green",
    "replayed": "blue",
    "rejected": "orange",
    "conflict": "orange",
    "failed": "red",
    "indeterminate": "red",
}
_CODE_NAMES: Final = {meaning.number: code.value for code, meaning in TAXONOMY.items()}
_MILLI: Final = 1_000
# In minutes.
_HOUR: Final = 60
_DAY: Final = 24 * _HOUR
# What Markdown could take for an instruction.
_PUNCTUATION: Final = "\\`*_{}[]<>()#+-.!|~:$&"


@dataclass(frozen=True, slots=True)
class Words:
    """A short statement and the colour that repeats it."""

    text: str
    colour: Colour


# --- numbers ---


def count(number: int) -> str:
    """1234 → 1,234."""
    return f"{number:,}"


def counted(number: int, noun: str) -> str:
    """1 → 1 attempt, 1234 → 1,234 attempts."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def percent(share: float) -> str:
    """0.98429 → 98.42 %; nearly all never reads as all."""
    # Through the shortest text of the float: 0.29 must not become 28.99 %.
    cut = (Decimal(repr(share)) * 100).quantize(Decimal("0.01"), ROUND_FLOOR)
    return f"{cut.normalize():f} %" if cut == cut.to_integral() else f"{cut} %"


def percent_at_least(share: float) -> str:
    """0.00091 → 0.10 %, of what had better be little: cut upwards, so never flattered."""
    cut = (Decimal(repr(share)) * 100).quantize(Decimal("0.01"), ROUND_CEILING)
    return f"{cut.normalize():f} %" if cut == cut.to_integral() else f"{cut} %"


def tenths(microseconds: int) -> float:
    """12390 → 12.3, in milliseconds: the precision in which every part of a screen shows them."""
    return microseconds * 10 // _MILLI / 10


def known_tenths(microseconds: int) -> float | None:
    """The same of an attempt; its process took the duration along where the ledger has 0."""
    return tenths(microseconds) if microseconds else None


def milliseconds(microseconds: int) -> str:
    """12390 → 12.3 ms."""
    return f"{tenths(microseconds):,.1f} ms"


def limit(microseconds: int) -> str:
    """500000 → 500 ms; limits are whole milliseconds."""
    return f"{microseconds // _MILLI:,} ms"


def rate(number: int, window: timedelta) -> str:
    """1200 in a minute → 20/s; below ten with one more digit, below 0.1/s by the minute."""
    per_second = number / window.total_seconds()
    if per_second >= 10:  # noqa: PLR2004  # see above
        return f"{per_second:.0f}/s"
    return f"{per_second:.1f}/s" if per_second >= 0.1 else f"{per_second * 60:.1f} a minute"  # noqa: PLR2004


# --- names ---


def code_name(number: int) -> str:
    """The name of an error code; one that a newer release wrote keeps its number."""
    return _CODE_NAMES.get(number, f"code {number}")


def short_id(given: UUID | None) -> str:
    """The end of an id: ids made in the same minute begin alike."""
    return "" if given is None else attempt_words.short_id(given)


def installation(environment: str, release: str) -> str:
    """Which installation a screen belongs to, as Markdown that says just that."""
    return literal(f"Saveguard · {environment} · {release}")


def literal(text: str) -> str:
    """Any text in the middle of a line, as Markdown that says just that."""
    return "".join(f"\\{letter}" if letter in _PUNCTUATION else letter for letter in text)


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


def clock_time(instant: datetime, zone: ZoneInfo | None, now: datetime | None) -> str:
    """12:03:07 UTC, and for a viewer elsewhere also what their clock showed.

    The date is left out only while it goes without saying: it is today on both clocks.

    Args:
        instant: what to tell.
        zone: the viewer's; None where that is UTC.
        now: the present instant; None where the words may be read on another day.
    """
    places = (UTC, zone or UTC)
    instants = (instant, now or instant)
    days = {each.astimezone(place).date() for each in instants for place in places}
    form = "%H:%M:%S" if now is not None and len(days) == 1 else "%Y-%m-%d %H:%M:%S"
    text = f"{instant.astimezone(UTC).strftime(form)} UTC"
    if zone is None:
        return text
    return f"{text} ({instant.astimezone(zone).strftime(form)} {zone.key})"


def days(now: datetime, zone: ZoneInfo | None) -> tuple[date, ...]:
    """Today on each clock: what `clock_time` makes of the present instant depends on no more."""
    return tuple(now.astimezone(place).date() for place in (UTC, zone or UTC))


def table_time(instant: datetime, zone: ZoneInfo | None, *, has_date: bool = False) -> str:
    """12:03:07.123, in UTC unless a zone is given; 2026-11-25 12:03:07 with its date."""
    told = instant.astimezone(zone or UTC)
    return f"{told:%Y-%m-%d %H:%M:%S}" if has_date else f"{told:%H:%M:%S.%f}"[:-3]


def span(length: timedelta) -> str:
    """5 min, 6 h, 30 d: a length of time where there is little room."""
    minutes = int(length.total_seconds() // 60)
    if minutes % _DAY == 0 and minutes > _DAY:
        return f"{minutes // _DAY} d"
    return f"{minutes // _HOUR} h" if minutes % _HOUR == 0 else f"{minutes} min"


def window_words(window: timedelta) -> str:
    """Last 5 minutes, last hour, last 30 days; a day is told in hours."""
    minutes = int(window.total_seconds() // 60)
    if minutes == _HOUR:
        return "Last hour"
    if minutes % _DAY == 0 and minutes > _DAY:
        return f"Last {minutes // _DAY} days"
    return f"Last {minutes // _HOUR} hours" if minutes % _HOUR == 0 else f"Last {minutes} minutes"


def attempts_of(wanted: Filter) -> str:
    """Attempts, UPDATE attempts, synthetic UPDATE attempts on the legacy path."""
    words = ["attempts"]
    if wanted.operation is not None:
        words.insert(0, wanted.operation.name)
    if wanted.traffic not in {None, Traffic.LIVE}:
        words.insert(0, wanted.traffic.name.lower().replace("_", " "))
    if wanted.path is not None:
        words.append(f"on the {wanted.path.name.lower()} path")
    return " ".join(words)


def inside(words: str) -> str:
    """A statement inside a sentence."""
    return words[0].lower() + words[1:]


def no_attempts(wanted: Filter, window: timedelta) -> str:
    """No EXPIRE attempts in the last 5 minutes: whoever filters is not told of all the others."""
    return f"No {attempts_of(wanted)} in the {window_words(window).lower()}"
