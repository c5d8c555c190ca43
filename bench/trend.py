"""Whether something grows: the Theil-Sen slope, which a few outliers cannot bend.

It is the median of the slopes of all pairs of points, so that up to 29 % of them may be wrong: a
collection of garbage or one burst of traffic does not make a leak. Its confidence interval comes
from Kendall's tau: P. K. Sen, "Estimates of the Regression Coefficient Based on Kendall's Tau",
1968.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import sqrt
from statistics import median
from typing import Final, NamedTuple

# Of the normal distribution, for an interval of 95 %.
_Z: Final = 1.96


class Slope(NamedTuple):
    """How fast something grows, in its unit per unit of time.

    Attributes:
        estimate: the median of the slopes of all pairs.
        at_least: the lower end of its 95 % confidence interval.
        at_most: the upper end.
    """

    estimate: float
    at_least: float
    at_most: float


def theil_sen(points: Sequence[tuple[float, float]]) -> Slope | None:
    """The slope of points (time, value); None where no two of them have different times."""
    slopes = sorted(
        (second - first) / (later - earlier)
        for (earlier, first), (later, second) in combinations(points, 2)
        if later != earlier
    )
    if not slopes:
        return None
    count, pairs = len(points), len(slopes)
    spread = _Z * sqrt(count * (count - 1) * (2 * count + 5) / 18)
    lowest = max(round((pairs - spread) / 2), 0)
    highest = min(round((pairs + spread) / 2), pairs - 1)
    return Slope(median(slopes), slopes[lowest], slopes[highest])


def after_warm_up(points: Sequence[tuple[float, float]], share: float) -> list[tuple[float, float]]:
    """The points after a first part of the time that they span.

    Args:
        points: (time, value), in the order of time.
        share: from 0 to below 1.
    """
    if not points:
        return []
    first, last = points[0][0], points[-1][0]
    since = first + (last - first) * share
    return [point for point in points if point[0] >= since]
