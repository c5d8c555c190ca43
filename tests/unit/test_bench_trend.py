"""Slopes of the soak."""

from __future__ import annotations

import pytest

from bench.trend import after_warm_up, theil_sen


def test_the_slope_of_a_straight_line_is_its_own() -> None:
    slope = theil_sen([(hour / 10, 250 + 3 * hour / 10) for hour in range(20)])

    assert slope is not None
    assert slope == pytest.approx((3, 3, 3))


def test_a_quarter_of_wild_points_does_not_bend_it() -> None:
    points = [(float(x), 5.0 * x if x % 4 else 9_000.0) for x in range(1, 81)]

    slope = theil_sen(points)

    assert slope is not None
    assert slope.estimate == pytest.approx(5, abs=0.5)


def test_the_interval_of_what_only_wavers_holds_zero() -> None:
    slope = theil_sen([(float(x), 250 + (-1) ** x) for x in range(40)])

    assert slope is not None
    assert slope.at_least <= 0 <= slope.at_most


def test_slope_and_interval_are_those_of_scipy() -> None:
    points = [(x, x + (x * 37 % 11) - (x * x) % 7) for x in map(float, range(20))]

    # scipy.stats.theilslopes of 1.17.1, with alpha=0.95.
    assert theil_sen(points) == pytest.approx((109 / 99, 5 / 6, 1.4))


@pytest.mark.parametrize("points", [[], [(1.0, 2.0)], [(1.0, 2.0), (1.0, 3.0)]])
def test_points_of_one_instant_have_no_slope(points: list[tuple[float, float]]) -> None:
    assert theil_sen(points) is None


def test_warming_up_is_a_share_of_the_time_not_of_the_samples() -> None:
    points = [(0.0, 1.0), (1.0, 1.0), (2.0, 1.0), (3.0, 1.0), (20.0, 1.0), (40.0, 1.0)]

    assert after_warm_up(points, 0.25) == points[4:]
    assert after_warm_up([], 0.25) == []
