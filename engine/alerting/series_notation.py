"""A past in a few words: what came in each minute, as tests of rules write it.

540 x 0.05 % for 30 min     so many attempts a minute, of which so many are bad
40 x 7 bad for 5 min        the same in whole numbers
540 x 16 rate for 1 h       as many bad ones as burn the objective's budget so fast
0 for 20 min                nobody came
unread for 5 min            the numbers could not be read
moves for 10 min            what is watched moves each minute
still for 4 min             it does not
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from math import floor
from typing import Final

from engine.alerting.durations import read_duration
from engine.alerting.tallies import Tally

MINUTE: Final = timedelta(minutes=1)
_NUMBER: Final = r"([0-9]+(?:\.[0-9]+)?)"
_PIECE: Final = re.compile(
    rf"(?:(?P<attempts>[0-9]+)(?: x {_NUMBER} (?P<unit>%|bad|rate))?"
    r"|(?P<word>unread|moves|still)) for (?P<span>[0-9]+ ?\w+)",
    re.ASCII,
)
_NOBODY: Final = Tally(0, 0)
_MINUTES_MAX: Final = 30 * 24 * 60


@dataclass(frozen=True, slots=True)
class Minute:
    """One minute of the past.

    Attributes:
        tally: what came in it.
        is_read: whether that could be read at its end.
        is_moving: whether what is watched moved in it.
    """

    tally: Tally = _NOBODY
    is_read: bool = True
    is_moving: bool = True


def read_series(pieces: Iterable[str], limit: float | None) -> tuple[Minute, ...]:
    """The minutes that some pieces say, one after the other.

    Shares are rounded over a whole piece, not in each minute: 120 attempts of which 0.2 % are bad
    have one bad one in most of each five minutes.

    Args:
        pieces: as above.
        limit: of the objective that a rate is of; None where there is none.

    Raises:
        ValueError: a piece says nothing, or the past is longer than 30 days.
    """
    minutes = [minute for piece in pieces for minute in _minutes(piece, limit)]
    if not 0 < len(minutes) <= _MINUTES_MAX:
        raise ValueError("a past takes from 1 min to 30 d")
    return tuple(minutes)


def _minutes(piece: str, limit: float | None) -> list[Minute]:
    found = _PIECE.fullmatch(" ".join(piece.split()))
    if found is None:
        raise ValueError(f"{piece!r} is no piece of a series, such as 540 x 0.2 % for 5 min")
    count = read_duration(found["span"]) // MINUTE
    match found["word"]:
        case "unread":
            return [Minute(is_read=False)] * count
        case "moves":
            return [Minute()] * count
        case "still":
            return [Minute(is_moving=False)] * count
    attempts = int(found["attempts"])
    bad_a_minute = _bad_a_minute(piece, attempts, found[2], found["unit"], limit)
    if bad_a_minute > attempts:
        raise ValueError(f"{piece!r} has more bad attempts than attempts")
    # A millionth more, because 0.29 * 100 is a little less than 29.
    added = [floor(bad_a_minute * number + 1e-6) for number in range(count + 1)]
    return [Minute(Tally(later - earlier, attempts)) for earlier, later in pairwise(added)]


def _bad_a_minute(
    piece: str, attempts: int, number: str | None, unit: str | None, limit: float | None
) -> float:
    if number is None or unit is None:
        if attempts:
            raise ValueError(f"{piece!r} does not say how many are bad")
        return 0
    if unit == "bad":
        return float(number)
    if unit == "%":
        return attempts * float(number) / 100
    if limit is None:
        raise ValueError(f"{piece!r}: the rule is of no objective, so that there is no rate")
    return attempts * float(number) * limit
