"""What a sample proves: exact bounds, checked against sums of whole numbers."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import pytest

from dashboard.verdicts import Verdict, attempts_needed, judge

_RISK = Fraction(1, 20)


@pytest.mark.parametrize(
    ("target", "count"), [(0.01, 299), (0.005, 598), (0.001, 2_995), (0.05, 59)]
)
def test_the_smallest_clean_sample_that_proves_a_target(target: float, count: int) -> None:
    assert attempts_needed(0, target) == count
    assert judge(0, count, target) is Verdict.MET
    assert judge(0, count - 1, target) is Verdict.UNDECIDED


@pytest.mark.parametrize(
    ("target", "count", "allowed"),
    [
        (0.01, 600, 1),
        (0.01, 1_000, 4),
        (0.01, 3_000, 20),
        (0.01, 6_000, 47),
        (0.01, 15_000, 129),
        (0.005, 1_000, 1),
        (0.005, 3_000, 8),
        (0.001, 6_000, 1),
        (0.001, 15_000, 8),
        (0.05, 1_000, 38),
        (0.05, 6_000, 271),
    ],
)
def test_how_many_bad_ones_a_sample_may_hold(target: float, count: int, allowed: int) -> None:
    """The table of the sample rule that the readiness checklist goes by."""
    assert judge(allowed, count, target) is Verdict.MET
    assert judge(allowed + 1, count, target) is not Verdict.MET


def test_nothing_is_no_data() -> None:
    assert judge(0, 0, 0.01) is Verdict.NO_DATA


def test_one_attempt_that_failed_misses_and_one_that_did_not_proves_nothing() -> None:
    assert judge(1, 1, 0.01) is Verdict.MISSED
    assert judge(0, 1, 0.01) is Verdict.UNDECIDED


def test_a_sample_right_at_its_target_is_undecided() -> None:
    assert judge(100, 10_000, 0.01) is Verdict.UNDECIDED


@pytest.mark.parametrize("target", [0.01, 0.05])
@pytest.mark.parametrize("count", [1, 20, 100, 400])
def test_verdicts_agree_with_exact_arithmetic(count: int, target: float) -> None:
    share = Fraction(str(target))
    for bad in range(min(count, 30) + 1):
        at_most = sum(_chance(each, count, share) for each in range(bad + 1))
        at_least = 1 - at_most + _chance(bad, count, share)
        expected = Verdict.UNDECIDED
        if at_most < _RISK:
            expected = Verdict.MET
        elif at_least < _RISK:
            expected = Verdict.MISSED

        assert judge(bad, count, target) is expected, (bad, count)


@pytest.mark.parametrize("bad", [0, 1, 7, 100])
def test_what_is_needed_is_enough_and_one_less_is_not(bad: int) -> None:
    needed = attempts_needed(bad, 0.01)

    assert judge(bad, needed, 0.01) is Verdict.MET
    assert judge(bad, needed - 1, 0.01) is not Verdict.MET


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        (0, Verdict.MET),
        (5_800, Verdict.MET),
        (6_200, Verdict.MISSED),
        (600_000, Verdict.MISSED),
    ],
)
def test_large_samples_neither_overflow_nor_vanish(bad: int, expected: Verdict) -> None:
    assert judge(bad, 600_000, 0.01) is expected


def _chance(bad: int, count: int, share: Fraction) -> Fraction:
    return comb(count, bad) * share**bad * (1 - share) ** (count - bad)
