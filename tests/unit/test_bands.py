"""Bands of duration: near round numbers, without gaps, cut where the histogram's buckets are."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import pytest

from engine.rollups.bands import BANDS, Band, count_by_band
from engine.rollups.histogram import RELATIVE_ERROR, bucket_of, first_us
from tests.faults.load import Dice

_LONGEST_US: Final = 2**31 - 1


def band_of(us: int) -> Band:
    """By the edges alone, as the ledger is asked."""
    found = [
        band
        for band in BANDS
        if band.at_least_us <= us and (band.below_us is None or us < band.below_us)
    ]
    assert len(found) == 1
    return found[0]


def test_bands_follow_each_other_from_the_shortest_duration_to_any() -> None:
    assert [band.number for band in BANDS] == list(range(len(BANDS)))
    assert BANDS[0].at_least_us == 1
    assert BANDS[-1].below_us is None
    for band, following in pairwise(BANDS):
        assert band.below_us == following.at_least_us
        assert band.at_least_us < following.at_least_us


@pytest.mark.parametrize("band", BANDS[1:])
def test_a_band_begins_within_a_percent_of_its_round_number(band: Band) -> None:
    # A bucket is two percent wide, and microseconds are whole.
    assert abs(band.at_least_us - band.nominal_us) <= band.nominal_us * RELATIVE_ERROR * 1.01 + 1


def test_what_a_band_counts_is_what_lies_between_its_edges() -> None:
    dice = Dice("bands")
    durations = [1, 2, 3, _LONGEST_US]
    durations += [
        edge + more for band in BANDS[1:] for edge in [band.at_least_us] for more in (-1, 0, 1)
    ]
    durations += [max(int(_LONGEST_US ** dice.chance()), 1) for _ in range(5_000)]

    for us in durations:
        assert count_by_band({bucket_of(us): 7}) == {band_of(us).number: 7}


def test_counts_of_a_bands_buckets_add_up() -> None:
    band = band_of(12_000)
    assert band.below_us is not None
    buckets = {bucket_of(us) for us in range(band.at_least_us, band.below_us)}

    assert len(buckets) > 10
    assert count_by_band(dict.fromkeys(buckets, 2)) == {band.number: 2 * len(buckets)}


@pytest.mark.parametrize("bucket", [0, 1, 2, 35, 36, 56, 200, 400, 650, 1_000])
def test_the_first_duration_of_a_bucket_is_the_shortest_that_lies_no_earlier(bucket: int) -> None:
    us = first_us(bucket)

    assert bucket_of(us) >= bucket
    assert us == 1 or bucket_of(us - 1) < bucket
