"""Exact bounds: vectors from exact binomial sums, and what no sample may be called."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import pytest

from engine.slo.bounds import (
    Verdict,
    at_least,
    at_most,
    attempts_needed,
    judge,
    lower_bound,
    upper_bound,
)

RISK = Fraction(1, 20)
SAMPLES = [
    (0, 1), (1, 1), (0, 10), (1, 10), (5, 10), (9, 10), (10, 10), (0, 299), (3, 299), (1, 1_000),
    (12, 1_000), (500, 1_000), (990, 1_000), (7, 2_995), (40, 4_000),
]  # fmt: skip


def exactly_at_most(bad: int, count: int, share: Fraction) -> Fraction:
    """The chance of this many bad ones or fewer, without any rounding."""
    # In whole numbers: a fraction would be brought to its lowest terms after each step.
    good, whole = share.denominator - share.numerator, share.denominator
    return Fraction(
        sum(comb(count, k) * share.numerator**k * good ** (count - k) for k in range(bad + 1)),
        whole**count,
    )


@pytest.mark.parametrize(
    ("bad", "count"), [(0, 10), (3, 40), (20, 40), (39, 40), (2, 500), (9, 500)]
)
@pytest.mark.parametrize(
    "share", [Fraction(1, 1_000), Fraction(1, 100), Fraction(1, 4), Fraction(3, 4)]
)
def test_tails_equal_exact_sums(bad: int, count: int, share: Fraction) -> None:
    below = exactly_at_most(bad, count, share)
    above = 1 - (exactly_at_most(bad - 1, count, share) if bad else Fraction(0))

    assert at_most(bad, count, float(share)) == pytest.approx(float(below), rel=1e-9, abs=1e-12)
    assert at_least(bad, count, float(share)) == pytest.approx(float(above), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("bad", "count"), SAMPLES)
def test_bounds_are_where_the_sample_is_a_five_percent_accident(bad: int, count: int) -> None:
    upper, lower = upper_bound(bad, count), lower_bound(bad, count)

    assert 0 <= lower <= bad / count <= upper <= 1
    if bad < count:
        reached = exactly_at_most(bad, count, Fraction(upper).limit_denominator(10**12))
        assert float(reached) == pytest.approx(0.05, rel=1e-6)
    if bad:
        share = Fraction(lower).limit_denominator(10**12)
        assert float(1 - exactly_at_most(bad - 1, count, share)) == pytest.approx(0.05, rel=1e-6)


def test_without_bad_ones_the_bound_is_the_root() -> None:
    assert upper_bound(0, 299) == pytest.approx(1 - 0.05 ** (1 / 299))
    assert lower_bound(299, 299) == pytest.approx(0.05 ** (1 / 299))


@pytest.mark.parametrize(
    ("limit", "count"), [(0.05, 59), (0.01, 299), (0.005, 598), (0.001, 2_995)]
)
def test_a_clean_sample_proves_a_limit_from_the_size_on_that_the_domain_page_names(
    limit: float, count: int
) -> None:
    assert attempts_needed(0, limit) == count
    assert judge(0, count - 1, limit) is Verdict.UNDECIDED
    assert judge(0, count, limit) is Verdict.MET


@pytest.mark.parametrize(
    ("bad", "count", "limit", "verdict"),
    [
        (0, 0, 0.01, Verdict.NO_DATA),
        (10, 1_000, 0.01, Verdict.UNDECIDED),  # exactly at the limit
        (11, 1_000, 0.01, Verdict.UNDECIDED),  # above it, by chance perhaps
        (17, 1_000, 0.01, Verdict.BROKEN),
        (4, 1_000, 0.01, Verdict.MET),
        (990_000, 100_000_000, 0.01, Verdict.MET),
        (1_010_000, 100_000_000, 0.01, Verdict.BROKEN),
        (1_000_000, 100_000_000, 0.01, Verdict.UNDECIDED),
        (5, 5, 0.01, Verdict.BROKEN),
    ],
)
def test_verdicts(bad: int, count: int, limit: float, verdict: Verdict) -> None:
    assert judge(bad, count, limit) is verdict


@pytest.mark.parametrize("bad", [0, 1, 7, 40])
@pytest.mark.parametrize("limit", [0.05, 0.001])
def test_the_number_needed_is_the_smallest_that_proves(bad: int, limit: float) -> None:
    needed = attempts_needed(bad, limit)

    assert judge(bad, needed, limit) is Verdict.MET
    assert judge(bad, needed - 1, limit) is not Verdict.MET


def test_a_verdict_follows_from_the_bounds() -> None:
    for bad, count in SAMPLES:
        for limit in (0.001, 0.01, 0.051, 0.501):
            verdict = judge(bad, count, limit)
            assert (verdict is Verdict.MET) == (upper_bound(bad, count) < limit)
            assert (verdict is Verdict.BROKEN) == (lower_bound(bad, count) > limit)
