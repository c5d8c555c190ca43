"""The latency histogram: every estimate within 1 %, exact merging, nearest rank."""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from math import ceil
from pathlib import Path
from typing import Final

import pytest

from engine.rollups.histogram import (
    RELATIVE_ERROR,
    bounds_us,
    bucket_of,
    estimate_us,
    merged,
    percentile_buckets,
    percentiles_us,
)
from tests.faults.load import Dice

SHARES: Final = (0.5, 0.95, 0.99, 0.999)


def histogram_of(durations_us: list[int]) -> dict[int, int]:
    return dict(Counter(map(bucket_of, durations_us)))


def nearest_rank(durations_us: list[int], share: float) -> int:
    """The definition, from the values themselves."""
    ordered = sorted(durations_us)
    return ordered[max(ceil(round(len(ordered) * share, 6)), 1) - 1]


def check_percentiles(durations_us: list[int]) -> None:
    found = percentiles_us(histogram_of(durations_us), SHARES)

    assert found is not None
    for share, estimate in zip(SHARES, found, strict=True):
        exact = nearest_rank(durations_us, share)
        assert abs(estimate - exact) <= exact * RELATIVE_ERROR * (1 + 1e-9), (share, exact)


@pytest.mark.parametrize("us", [1, 2, 3, 10, 99, 100, 101, 12_345, 10**6, 10**7, 2**31 - 1])
def test_every_duration_lies_in_its_bucket_and_within_a_percent_of_its_estimate(us: int) -> None:
    bucket = bucket_of(us)
    above, upto = bounds_us(bucket)

    assert above * (1 - 1e-12) < us <= upto * (1 + 1e-12)
    assert abs(estimate_us(bucket) - us) <= us * RELATIVE_ERROR * (1 + 1e-9)


def test_an_empty_histogram_has_no_percentile() -> None:
    assert percentile_buckets({}, SHARES) is None
    assert percentiles_us({}, SHARES) is None


@pytest.mark.parametrize(
    ("share", "rank"), [(0.001, 1), (0.5, 5), (0.51, 6), (0.95, 10), (0.9, 9), (0.3, 3), (1.0, 10)]
)
def test_percentiles_are_of_the_nearest_rank(share: float, rank: int) -> None:
    # Ten durations, each in a bucket of its own; 10 * 0.3 is a little more than 3 as a float.
    durations = [2**each for each in range(1, 11)]

    assert percentile_buckets(histogram_of(durations), [share]) == (bucket_of(2**rank),)


def test_merging_is_adding() -> None:
    dice = Dice("merge")
    parts = [[1 + int(dice.chance() * 10**6) for _ in range(50)] for _ in range(20)]

    together = merged(map(histogram_of, parts))

    assert together == histogram_of([each for part in parts for each in part])


@pytest.mark.parametrize("seed", range(20))
def test_percentiles_of_heavy_tails_are_within_a_percent(seed: int) -> None:
    dice = Dice(f"tail:{seed}")
    exponent = 0.5 + 3 * dice.chance()
    durations = [max(int(200 / (1.000001 - dice.chance()) ** exponent), 1) for _ in range(3_000)]

    check_percentiles([min(each, 2**31 - 1) for each in durations])


def test_percentiles_of_two_heaps_far_apart_are_within_a_percent() -> None:
    """The gap between an ordinary save and a timeout, which fools rank-error sketches."""
    check_percentiles(
        [1_000 + each for each in range(9_900)] + [5_000_000 + each for each in range(100)]
    )


DATA: Final = Path(__file__).parents[1] / "data" / "postgres_latency.csv.gz"


def test_percentiles_of_real_latencies_are_within_a_percent_over_any_span() -> None:
    with gzip.open(DATA, "rt", encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    series = [max(round(float(row["mean_latency_ms"]) * 1_000), 1) for row in rows]
    dice = Dice("spans")

    check_percentiles(series)
    for _ in range(50):
        start = int(dice.chance() * (len(series) - 100))
        check_percentiles(series[start : start + 100 + int(dice.chance() * 20_000)])
