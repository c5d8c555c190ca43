"""Exact one-sided 95 % bounds of a share, and what they say about a target.

A share is never proved by a sample that is too small for it: with no bad attempt at all, "below
1 %" takes 299 attempts and "below 0.1 %" 2,995. The bounds are those of Clopper and Pearson,
"The use of confidence or fiducial limits", Biometrika 26 (1934): the shares at which a sample as
bad as this one, or as good, would be a 5 % accident.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from math import exp, expm1, lgamma, log, log1p
from typing import Final

import numpy as np

_RISK: Final = 0.05
# Terms below this share of the sum cannot move it.
_NEGLIGIBLE: Final = 1e-17
_CHUNK: Final = 2_048
# Halvings of the interval from 0 to 1; more than a double has digits.
_HALVINGS: Final = 60


class Verdict(Enum):
    """What a sample says about a target."""

    NO_DATA = "no data"
    UNDECIDED = "insufficient data"
    MET = "met"
    BROKEN = "broken"


def judge(bad: int, count: int, limit: float) -> Verdict:
    """Judges a share against the limit that it must stay below.

    Args:
        bad: attempts that count against the objective.
        count: all attempts, bad ones included.
        limit: the share that bad ones must stay below, between 0 and 1.
    """
    if count == 0:
        return Verdict.NO_DATA
    if _is_proved(bad, count, limit):
        return Verdict.MET
    if bad > count * limit and at_least(bad, count, limit) < _RISK:
        return Verdict.BROKEN
    return Verdict.UNDECIDED


def upper_bound(bad: int, count: int) -> float:
    """The share that the true one stays below with 95 % confidence; 1 without a sample."""
    if bad >= count:
        return 1.0
    if bad == 0:
        return -expm1(log(_RISK) / count)
    return _where(lambda share: at_most(bad, count, share) > _RISK, bad / count, 1.0)


def lower_bound(bad: int, count: int) -> float:
    """The share that the true one stays above with 95 % confidence; 0 without a sample."""
    if bad == 0:
        return 0.0
    if bad >= count:
        return exp(log(_RISK) / count)
    return _where(lambda share: at_least(bad, count, share) < _RISK, 0.0, bad / count)


def attempts_needed(bad: int, limit: float) -> int:
    """The smallest number of attempts that proves a limit with this many bad ones among them."""
    most = max(int(bad / limit), 1)
    while not _is_proved(bad, most, limit):
        most *= 2
    least = bad
    while most - least > 1:
        middle = (least + most) // 2
        if _is_proved(bad, middle, limit):
            most = middle
        else:
            least = middle
    return most


def at_most(bad: int, count: int, share: float) -> float:
    """The chance of this many bad ones or fewer."""
    if bad >= count * share:
        return 1.0 - _above(bad + 1, count, share) if bad < count else 1.0
    return _below(bad, count, share)


def at_least(bad: int, count: int, share: float) -> float:
    """The chance of this many bad ones or more."""
    if bad <= count * share:
        return 1.0 - _below(bad - 1, count, share) if bad > 0 else 1.0
    return _above(bad, count, share)


def _is_proved(bad: int, count: int, limit: float) -> bool:
    """Whether so few bad ones would be a rare accident if the true share were the limit."""
    return bad < count * limit and _below(bad, count, limit) < _RISK


def _where(holds: Callable[[float], bool], low: float, high: float) -> float:
    """The end of the stretch from `low` on in which something holds."""
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if middle in {low, high}:
            break
        if holds(middle):
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _below(bad: int, count: int, share: float) -> float:
    """The chance of this many bad ones or fewer; `bad` lies below the mean."""
    # From one number of bad ones to the next smaller one the chance changes by this factor.
    odds = (1 - share) / share
    return _sum(
        _chance(bad, count, share),
        bad,
        lambda steps: (bad - steps) / (count - bad + 1 + steps) * odds,
    )


def _above(bad: int, count: int, share: float) -> float:
    """The chance of this many bad ones or more; `bad` lies above the mean."""
    odds = share / (1 - share)
    return _sum(
        _chance(bad, count, share),
        count - bad,
        lambda steps: (count - bad - steps) / (bad + 1 + steps) * odds,
    )


def _sum(term: float, terms: int, factors: Callable[[np.ndarray], np.ndarray]) -> float:
    """A first term and those that follow from it by factors, until they are negligible."""
    whole = term
    for start in range(0, terms, _CHUNK):
        steps = np.arange(start, min(start + _CHUNK, terms), dtype=np.float64)
        more = term * np.cumprod(factors(steps))
        whole += float(more.sum())
        term = float(more[-1])
        if term <= whole * _NEGLIGIBLE:
            break
    return whole


def _chance(bad: int, count: int, share: float) -> float:
    """The chance of exactly this many bad ones."""
    return exp(
        lgamma(count + 1)
        - lgamma(bad + 1)
        - lgamma(count - bad + 1)
        + bad * log(share)
        + (count - bad) * log1p(-share)
    )
