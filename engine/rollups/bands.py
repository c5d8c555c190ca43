"""Bands of duration: the histogram's fine buckets grouped into some that can be read.

Bands begin near round numbers, 1, 1.5, 2, 3, 5 and 7 of each power of ten, but exactly where a
bucket begins: so what a band counts is what the ledger has between its two edges.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from typing import Final, NamedTuple

from engine.rollups.histogram import bucket_of, first_us

_STEPS: Final = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)
# From 0.1 ms to 100 s; what is shorter or longer has one band at each end.
_POWERS: Final = range(2, 8)


class Band(NamedTuple):
    """Durations that belong together.

    Attributes:
        number: its place, from the shortest durations up.
        nominal_us: the round number that it begins near; 0 of the first one.
        at_least_us: its shortest duration, in whole microseconds.
        below_us: the shortest duration of the next one; None of the last one.
    """

    number: int
    nominal_us: int
    at_least_us: int
    below_us: int | None


def count_by_band(histogram: Mapping[int, int]) -> dict[int, int]:
    """How many attempts are in which band, by its number; empty bands are left out.

    Args:
        histogram: bucket → attempts.
    """
    found: dict[int, int] = {}
    for bucket, count in histogram.items():
        number = bisect_right(_FIRST_BUCKETS, bucket) - 1
        found[number] = found.get(number, 0) + count
    return found


def _bucket_near(us: float) -> int:
    """The bucket whose lower edge is nearest: its neighbours' are 2 % away."""
    bucket = bucket_of(round(us))
    return min((bucket, bucket + 1), key=lambda each: abs(first_us(each) - us))


_NOMINAL_US: Final = (
    *(round(step * 10**power) for power in _POWERS for step in _STEPS),
    10 ** (_POWERS[-1] + 1),
)
_FIRST_BUCKETS: Final = (0, *(_bucket_near(us) for us in _NOMINAL_US))
_AT_LEAST_US: Final = tuple(map(first_us, _FIRST_BUCKETS))

BANDS: Final = tuple(
    Band(number, nominal_us, at_least_us, below_us)
    for number, (nominal_us, at_least_us, below_us) in enumerate(
        zip((0, *_NOMINAL_US), _AT_LEAST_US, (*_AT_LEAST_US[1:], None), strict=True)
    )
)
