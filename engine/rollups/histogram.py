"""The latency histogram: logarithmic buckets whose every value is within 1 % of the truth.

Bucket i holds durations from above g^(i-1) to g^i microseconds, with g = 1.01 / 0.99; its estimate
2 g^i / (g + 1) is off by at most 1 %, whatever the duration. Counts of the same buckets add up, so
histograms merge exactly, in any order; percentiles are read from the merged one, never averaged.
Source of the mapping: Masson, Rim, Lee, "DDSketch", VLDB 2019, section 2.1.

`INDEX_SQL` is the same mapping for the database; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import ceil, exp, floor, log
from typing import Final

RELATIVE_ERROR: Final = 0.01
# The percentiles that latency is told by: P50, P95, P99, P99.9.
TOLD_SHARES: Final = (0.50, 0.95, 0.99, 0.999)
_GAMMA: Final = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_LOG_GAMMA: Final = log(_GAMMA)
_PER_LOG: Final = 1 / _LOG_GAMMA

# An SQL expression over {us}, a duration of at least 1 microsecond. Spelled in full, because a
# function of ours around it would have to be inlined to be as fast.
INDEX_SQL: Final = f"ceil(ln({{us}}::float8) * {_PER_LOG!r})::smallint"


def bucket_of(duration_us: int) -> int:
    """The bucket of a duration of at least one microsecond."""
    return ceil(log(duration_us) * _PER_LOG)


def estimate_us(bucket: int) -> float:
    """What stands for every duration of a bucket, in microseconds; within 1 % of each."""
    return (1 - RELATIVE_ERROR) * exp(bucket * _LOG_GAMMA)


def bounds_us(bucket: int) -> tuple[float, float]:
    """The durations of a bucket: above the first, up to the second, in microseconds."""
    return exp((bucket - 1) * _LOG_GAMMA), exp(bucket * _LOG_GAMMA)


def first_us(bucket: int) -> int:
    """The shortest whole duration, in microseconds, that lies in this bucket or in a later one.

    Durations of the buckets from a up to, not including, b are those of at least `first_us(a)` and
    below `first_us(b)`, however few whole microseconds the shortest buckets have.
    """
    us = max(floor(exp((bucket - 1) * _LOG_GAMMA)), 1)
    while bucket_of(us) < bucket:
        us += 1
    while us > 1 and bucket_of(us - 1) >= bucket:
        us -= 1
    return us


def merged(histograms: Iterable[Mapping[int, int]]) -> dict[int, int]:
    """The histogram of everything that any of them counted."""
    total: dict[int, int] = {}
    for histogram in histograms:
        for bucket, count in histogram.items():
            total[bucket] = total.get(bucket, 0) + count
    return total


def percentile_buckets(
    histogram: Mapping[int, int], shares: Sequence[float]
) -> tuple[int, ...] | None:
    """The buckets of nearest-rank percentiles; None of an empty histogram.

    Args:
        histogram: bucket → count.
        shares: from above 0 to 1, ascending.
    """
    count = sum(histogram.values())
    if not count:
        return None
    found: list[int] = []
    reached = 0
    ordered = iter(sorted(histogram.items()))
    bucket = 0
    for share in shares:
        # Exact where count * share is whole but its float is a little more.
        rank = max(ceil(round(count * share, 6)), 1)
        while reached < rank:
            bucket, more = next(ordered)
            reached += more
        found.append(bucket)
    return tuple(found)


def percentiles_us(
    histogram: Mapping[int, int], shares: Sequence[float]
) -> tuple[float, ...] | None:
    """Nearest-rank percentiles in microseconds, each within 1 %; None of an empty histogram."""
    buckets = percentile_buckets(histogram, shares)
    return None if buckets is None else tuple(estimate_us(each) for each in buckets)
