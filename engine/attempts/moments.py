"""Error codes in a text, and the spans of time that it puts them in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone
from itertools import islice
from typing import Final, NamedTuple

from engine.errors import ErrorCode

# How far from a time of day what happened "around" it may lie; one with seconds is meant closely.
_AROUND: Final = timedelta(minutes=5)
_CLOSELY: Final = timedelta(minutes=1)
# Without a time: as far back as somebody on call remembers.
_LATELY: Final = timedelta(days=1)
# A clock that is a little ahead of ours names a time that is yet to come.
_AHEAD: Final = timedelta(minutes=10)
_TIMES_MAX: Final = 3
_CODES_MAX: Final = 4
_NOON: Final = 12
_MINUTES: Final = 60
# A log line's code and its time stand close together.
_REACH: Final = 400


class Span(NamedTuple):
    """A code and when it happened.

    Attributes:
        code: that was named.
        start: of the span, in UTC.
        end: the instant after it.
        has_time: whether the text says so; it is the last day otherwise.
        told: the time in words.
    """

    code: ErrorCode
    start: datetime
    end: datetime
    has_time: bool
    told: str


_CODE: Final = re.compile(
    r"(?<![A-Za-z_])("
    + "|".join(code.value.replace("_", r"[\s_-]") for code in ErrorCode)
    + r")(?![A-Za-z_])",
    re.IGNORECASE,
)
_TIME: Final = re.compile(
    r"(?:(?<!\d)(?P<date>\d{4}-\d{2}-\d{2})[T ]{1,2})?"
    r"(?<![\d:.])(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,]\d{1,9})?)?(?![\d:])"
    r"\s?(?P<half>[ap]\.?m\b)?\s?(?P<zone>Z\b|UTC\b|GMT\b|[+-]\d{2}:?\d{2}(?!\d))?",
    re.IGNORECASE,
)


def spans(text: str, now: datetime) -> tuple[Span, ...]:
    """The codes of a legible text with the times that stand nearest to each.

    A time without a zone is in UTC, one without a date is the last such time before the present.
    """
    found: dict[tuple[ErrorCode, datetime], Span] = {}
    for named in islice(_CODE.finditer(text), _CODES_MAX):
        code = ErrorCode(re.sub(r"[\s-]", "_", named[1]).upper())
        for span in _of_code(code, text, named, now):
            found.setdefault((code, span.start), span)
    return tuple(found.values())


def _of_code(code: ErrorCode, text: str, named: re.Match[str], now: datetime) -> Iterator[Span]:
    first = max(named.start() - _REACH, 0)
    around = text[first : named.end() + _REACH]
    place = named.start() - first
    times = sorted(_TIME.finditer(around), key=lambda each: abs(each.start() - place))
    instants = [(each, at) for each in times if (at := _instant(each, now)) is not None]
    if not instants:
        yield Span(code, now - _LATELY, now + _AHEAD, False, "in the last day")  # noqa: FBT003
    for each, at in instants[:_TIMES_MAX]:
        reach = _CLOSELY if each["second"] else _AROUND
        shown = f"{at:%Y-%m-%d %H:%M:%S}" if each["second"] else f"{at:%Y-%m-%d %H:%M}"
        end = at + reach + (timedelta() if each["second"] else timedelta(minutes=1))
        yield Span(code, at - reach, end, True, f"around {shown} UTC")  # noqa: FBT003


def _instant(found: re.Match[str], now: datetime) -> datetime | None:
    try:
        at_time = time(
            _hour(int(found["hour"]), found["half"]),
            int(found["minute"]),
            min(int(found["second"] or 0), _MINUTES - 1),
        )
        zone = _zone(found["zone"])
        if found["date"]:
            at = datetime.combine(date.fromisoformat(found["date"]), at_time, zone)
        else:
            at = datetime.combine(now.astimezone(zone).date(), at_time, zone)
            if at > now + _AHEAD:
                at -= timedelta(days=1)
        at = at.astimezone(UTC)
        # So that the span around it can be told, too.
        return at if at - _LATELY < at < at + _LATELY else None
    except (ValueError, OverflowError):
        return None


def _hour(hour: int, half: str | None) -> int:
    if half is None:
        return hour
    if not 1 <= hour <= _NOON:
        raise ValueError("no hour of half a day")
    return hour % _NOON + (_NOON if half[0] in "pP" else 0)


def _zone(written: str | None) -> timezone:
    if written is None or written[0] not in "+-":
        return UTC
    hours, minutes = int(written[1:3]), int(written[-2:])
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if written[0] == "-" else offset)
