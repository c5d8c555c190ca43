"""Durations as rules and people write them: a number and one unit, such as 5 min or 3 d."""

from __future__ import annotations

import re
from datetime import timedelta
from types import MappingProxyType
from typing import Final

UNITS: Final = MappingProxyType(
    {
        "s": timedelta(seconds=1),
        "min": timedelta(minutes=1),
        "h": timedelta(hours=1),
        "d": timedelta(days=1),
    }
)
_WRITTEN: Final = re.compile(r"([0-9]{1,6}) ?(s|min|h|d)", re.ASCII)


def read_duration(written: str) -> timedelta:
    """The duration that is written.

    Raises:
        ValueError: it is not a whole number and one of `UNITS`.
    """
    found = _WRITTEN.fullmatch(written.strip())
    if found is None:
        raise ValueError(f"{written!r} is no duration, such as 30 s, 5 min, 6 h or 3 d")
    return int(found[1]) * UNITS[found[2]]


def write_duration(duration: timedelta) -> str:
    """A duration in the largest unit that it is a whole number of; fractions of a second go."""
    seconds = timedelta(seconds=int(duration.total_seconds()))
    for unit, length in reversed(tuple(UNITS.items())):
        if seconds >= length and not seconds % length:
            return f"{seconds // length} {unit}"
    return "0 s"


def tell_duration(duration: timedelta) -> str:
    """A duration that somebody reads, such as 40 s, 12 min or 3.5 h: at most two digits matter."""
    for unit, length in reversed(tuple(UNITS.items())):
        if duration >= 2 * length:
            many = duration / length
            return f"{many:.0f} {unit}" if many.is_integer() or many >= 10 else f"{many:.1f} {unit}"  # noqa: PLR2004
    return f"{duration.total_seconds():.3g} s"
