"""Bad ones among all, and whether that is above a threshold by more than chance.

Of 40 attempts in five minutes one conflict is 2.5 %, twenty-five times what HIGH-005 allows, and
means nothing. So a sample counts when attempts that keep just to the threshold would come out so
bad, or worse, less often than once in a million times (`CHANCE`), and when there are more bad ones
than a caller makes by trying again (`FEWEST`): eight conflicts of those 40, or fifteen of 2,700.
See docs/decisions/0024-alert-rules.md for what this costs and what it saves.
"""

from __future__ import annotations

from functools import lru_cache
from math import log
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.slo.bounds import at_least

# In 30 days there are 8,640 windows of five minutes, some thirty rules look at each of them, and
# windows that slide give chance about three tries at each: nearly a million looks. Bad attempts
# come in clusters besides; with 1e-4 a healthy service is paged for conflicts three times a month.
CHANCE: Final = 1e-6
# Fewer bad attempts may all be one caller who tries again and again, whatever they are a share of.
FEWEST: Final = 8
# Of what loses saves whoever tries, so many: four critical errors of four attempts are all there is
# on thin traffic, and eight would take hours.
FEWEST_CRITICAL: Final = 4
# Whether a burn still goes on is asked only while the long window says that it matters: as sure as
# objectives are judged. A single bad attempt of a quiet night would do otherwise, days after.
STILL_CHANCE: Final = 0.05
# Shares are compared to a millionth of an attempt: 0.29 * 100 is a little less than 29.
_DIGITS: Final = 6


class Tally(NamedTuple):
    """How many of some attempts are bad."""

    bad: int
    of: int

    @property
    def share(self) -> float | None:
        """The share of bad ones; None without attempts."""
        return self.bad / self.of if self.of else None


def is_above(tally: Tally, threshold: float) -> bool:
    """Whether a share is above a threshold, be it by chance."""
    return tally.bad > round(tally.of * threshold, _DIGITS)


def above_all(bad: NDArray[np.int64], of: NDArray[np.int64], threshold: float) -> NDArray[np.bool_]:
    """`is_above` of many tallies."""
    return bad > np.round(of * threshold, _DIGITS)


@lru_cache(maxsize=4096)
def is_shown(tally: Tally, threshold: float, chance: float = CHANCE, fewest: int = FEWEST) -> bool:
    """Whether a share is above a threshold and chance does not explain it.

    Args:
        tally: the sample.
        threshold: between 0 and 1.
        chance: how likely a sample may be that still counts; 1 takes every one as it is.
        fewest: with fewer bad ones it is never shown.
    """
    if not is_above(tally, threshold):
        return False
    if threshold == 0 or chance >= 1:
        return True
    if tally.bad < fewest and chance <= CHANCE:
        return False
    # Most samples are far from the line, where two bounds will do; the sum is for those near it.
    most = _log_at_most(tally, threshold)
    if most < log(chance):
        return True
    if tally.bad < tally.of and most - _log_apart(tally) > log(chance):
        return False
    return at_least(tally.bad, tally.of, threshold) < chance


def _log_at_most(tally: Tally, threshold: float) -> float:
    """Above the logarithm of the chance of so many bad ones or more (Chernoff's bound)."""
    good = tally.of - tally.bad
    apart = tally.bad * log(tally.bad / tally.of / threshold)
    if good:
        apart += good * log(good / tally.of / (1 - threshold))
    return -apart


def _log_apart(tally: Tally) -> float:
    """How far below that bound the logarithm can be.

    Source: Ash, "Information Theory", 1965, lemma 4.7.2.
    """
    return log(8 * tally.bad * (tally.of - tally.bad) / tally.of) / 2
