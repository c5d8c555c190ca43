"""Whether a sample proves that a share stays below its target, or that it does not.

The bounds are exact and one-sided at 95 %: that no sample too small for its target can look met is
the point. With no bad attempt at all, "below 1 %" takes 299 attempts and "below 0.1 %" 2,995.
"""

from __future__ import annotations

from enum import Enum
from math import exp, lgamma, log, log1p
from typing import Final

_RISK: Final = 0.05
# Terms below this share of the sum cannot move it.
_NEGLIGIBLE: Final = 1e-17


class Verdict(Enum):
    """What a sample says about a target."""

    NO_DATA = "no data"
    UNDECIDED = "undecided"
    MET = "met"
    MISSED = "missed"


def judge(bad: int, count: int, target: float) -> Verdict:
    """Judges a share against the bound it must stay below.

    Args:
        bad: attempts that count against the objective.
        count: all attempts, bad ones included.
        target: the share that bad ones must stay below, between 0 and 1.
    """
    if count == 0:
        return Verdict.NO_DATA
    if _is_proved(bad, count, target):
        return Verdict.MET
    if bad > count * target and _at_least(bad, count, target) < _RISK:
        return Verdict.MISSED
    return Verdict.UNDECIDED


def attempts_needed(bad: int, target: float) -> int:
    """The smallest number of attempts that proves the target with this many bad ones among them."""
    most = max(int(bad / target), 1)
    while not _is_proved(bad, most, target):
        most *= 2
    least = bad
    while most - least > 1:
        middle = (least + most) // 2
        if _is_proved(bad, middle, target):
            most = middle
        else:
            least = middle
    return most


def _is_proved(bad: int, count: int, target: float) -> bool:
    """Whether so few bad ones would be a rare accident if the true share were the target."""
    return bad < count * target and _at_most(bad, count, target) < _RISK


def _at_most(bad: int, count: int, share: float) -> float:
    """The chance of this many bad ones or fewer; `bad` lies below the mean."""
    term = total = _chance(bad, count, share)
    for each in range(bad, 0, -1):
        term *= each * (1 - share) / ((count - each + 1) * share)
        total += term
        if term <= total * _NEGLIGIBLE:
            break
    return total


def _at_least(bad: int, count: int, share: float) -> float:
    """The chance of this many bad ones or more; `bad` lies above the mean."""
    term = total = _chance(bad, count, share)
    for each in range(bad, count):
        term *= (count - each) * share / ((each + 1) * (1 - share))
        total += term
        if term <= total * _NEGLIGIBLE:
            break
    return total


def _chance(bad: int, count: int, share: float) -> float:
    """The chance of exactly this many bad ones."""
    return exp(
        lgamma(count + 1)
        - lgamma(bad + 1)
        - lgamma(count - bad + 1)
        + bad * log(share)
        + (count - bad) * log1p(-share)
    )
